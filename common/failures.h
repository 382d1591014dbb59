// Failures: collects the errors of work that continues after an error, and returns them together at
// the end. For sweeps, passes and removals, where one failing part must not prevent the others.
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

// Threads: one at a time. The memory for errors is bounded, however many are noted.
class Failures {
  public:
    // This many different errors keep their text; the others are only counted.
    static constexpr std::size_t kKept = 16;

    void note(const Error& error);
    // Ignores a success.
    template <typename T>
    void note(const Result<T>& outcome) {
        if (!outcome) {
            note(outcome.error());
        }
    }

    bool empty() const { return count_ == 0; }
    // The number of noted errors, including equal ones.
    std::size_t count() const { return count_; }

    // Success if no error was noted. Otherwise one error with the kept ones and the number of
    // others. Its errno is the common errno of all of them, or 0 if they differ.
    Result<void> result() const;
    // The same, prefixed with "<context>: ".
    Result<void> result(std::string_view context) const;

  private:
    std::vector<std::string> kept_;  // without duplicates
    std::size_t count_ = 0;
    std::size_t beside_ = 0;  // noted, but not kept and not equal to a kept one
    int errno_value_ = 0;
};

}  // namespace fsm
