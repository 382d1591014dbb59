// Runs the tools that change rules, with only the environment that they need.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/program.h"
#include "common/result.h"

namespace fsm {

// arguments[0] is the program's path. The child runs in the calling thread's network namespace;
// its environment is PATH, and XTABLES_LOCKFILE when that is set here. Returns what it wrote to
// stdout; an exit status other than 0, a signal, or a limit that is reached is an error, with what
// it wrote to stderr. A child that is not ready in time is killed. Threads: may be called from any.
Result<std::string> run_command(const std::vector<std::string>& arguments, std::string_view input,
                                std::chrono::milliseconds limit);

}  // namespace fsm
