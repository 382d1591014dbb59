// Runs other programs: directly, without a shell, so that no argument is ever read as anything
// else.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fsm::cli {

struct ProgramOutcome {
    int status = 0;  // the exit status; 128 + signal number when a signal ended it
    std::string output;
    std::string errors;
};

// Runs command[0], looked up in PATH, with `input` on its standard input, and waits. A program that
// cannot be started, is not done after `limit` (it is killed), or writes more than 64 MiB is an
// error; one that ends with a status other than 0 is not.
Result<ProgramOutcome> run_program(const std::vector<std::string>& command,
                                   std::string_view input = {},
                                   std::chrono::seconds limit = std::chrono::minutes(10));

// As it would be typed: for messages only.
std::string describe_command(const std::vector<std::string>& command);

}  // namespace fsm::cli
