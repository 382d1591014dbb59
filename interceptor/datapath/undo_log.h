// UndoLog: the completed steps of an operation, and their undo.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"

namespace fsm {

class UndoLog {
  public:
    void add(std::function<Result<void>()> undo) { steps_.push_back(std::move(undo)); }

    // Runs the undo steps, the latest first, and returns `cause` with the failures of the undo.
    Error roll_back(const Error& cause) {
        std::string message = cause.message();
        for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
            const auto undone = (*step)();
            if (!undone) {
                message += "; and not undone: " + undone.error().message();
            }
        }
        steps_.clear();
        return Error(message, cause.errno_value());
    }

  private:
    std::vector<std::function<Result<void>()>> steps_;
};

}  // namespace fsm
