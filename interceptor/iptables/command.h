// Runs a program of the system: without a shell, with its input, for a limited time.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fsm {

// arguments[0] is the program's path. The child runs in the calling thread's network namespace,
// with PATH alone as its environment. Returns what it wrote to stdout; an exit status other than 0,
// a signal, or a time that is over is an error, with what it wrote to stderr. Threads: may be
// called from any.
Result<std::string> run_command(const std::vector<std::string>& arguments, std::string_view input,
                                std::chrono::milliseconds limit);

// The path of a program in one of PATH's directories, or of those where a system keeps its tools
// when there is no PATH; empty when there is none.
std::string find_program(const std::string& name);

}  // namespace fsm
