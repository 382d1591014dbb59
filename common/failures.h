// Failures: the errors of work that goes on after an error, told together at its end. For sweeps,
// passes and removals: one part that fails must not keep the others from their turn.
//
//   Failures failures;
//   for (...) { failures.note(remove(one)); }
//   return failures.result("remove the links");
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fsm {

// Threads: one at a time. However many errors are noted, the memory that they take is bounded.
class Failures {
  public:
    // So many different errors are kept with their words; the others are counted.
    static constexpr std::size_t kKept = 16;

    void note(const Error& error);
    // Nothing is noted of a success.
    template <typename T>
    void note(const Result<T>& outcome) {
        if (!outcome) {
            note(outcome.error());
        }
    }

    bool empty() const { return count_ == 0; }
    // How many were noted, equal ones included.
    std::size_t count() const { return count_; }

    // Success when nothing was noted. Else one error: the kept ones, and how many there are beside
    // them. Its errno is that of all of them when it is the same one, else 0.
    Result<void> result() const;
    // The same, "<context>: ..." in front.
    Result<void> result(std::string_view context) const;

  private:
    std::vector<std::string> kept_;  // each once
    std::size_t count_ = 0;
    std::size_t beside_ = 0;  // noted, but neither kept nor equal to a kept one
    int errno_value_ = 0;
};

}  // namespace fsm
