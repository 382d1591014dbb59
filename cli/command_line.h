// fsm's commands and flags.
#pragma once

#include <functional>
#include <variant>

#include "common/result.h"

namespace fsm::cli {

// Help, version, or an invalid command line: the output has already been printed.
struct Finished {
    int exit_status = 0;
};

// The parsed command, ready to run.
using Task = std::function<Result<void>()>;

// `argv` is main's.
std::variant<Task, Finished> read_command_line(int argc, char** argv);

}  // namespace fsm::cli
