// fsm's commands and flags.
#pragma once

#include <functional>
#include <variant>

#include "common/result.h"

namespace fsm::cli {

// Help, version, or a wrong command line: everything has been said.
struct Finished {
    int exit_status = 0;
};

// What the user asked for, ready to be done.
using Task = std::function<Result<void>()>;

// `argv` as main got it.
std::variant<Task, Finished> read_command_line(int argc, char** argv);

}  // namespace fsm::cli
