// Runs a program of the system: without a shell, with its input, for a limited time.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fsm {

// arguments[0] is the program's path. The child runs in the calling thread's network namespace;
// its environment is PATH, and XTABLES_LOCKFILE when that is set here. Returns what it wrote to
// stdout; an exit status other than 0, a signal, or a time that is over is an error, with what it
// wrote to stderr. A child that is not ready in time is killed. Threads: may be called from any.
Result<std::string> run_command(const std::vector<std::string>& arguments, std::string_view input,
                                std::chrono::milliseconds limit);

// The path of a program in one of PATH's directories, or of those where a system keeps its tools
// when there is no PATH; empty when there is none.
std::string find_program(const std::string& name);

}  // namespace fsm
