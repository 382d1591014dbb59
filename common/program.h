// Runs other programs directly, without a shell, so that no argument is interpreted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fsm {

struct Program {
    std::vector<std::string> command;  // [0] is a path, or a name that is looked up in PATH
    std::string_view input;            // on its standard input; must outlive the call
    int input_fd = -1;                 // its standard input instead of `input`; the caller's
    // Called with each piece of its standard output as it comes, in the thread of run_program();
    // ProgramOutcome::output stays empty then.
    std::function<void(std::string_view)> on_output;
    std::optional<std::vector<std::string>> environment;  // "NAME=value"; nothing: our own
    std::chrono::milliseconds time_limit = std::chrono::minutes(10);
    std::size_t output_limit = std::size_t{64} << 20;  // bytes, for each of its two outputs
};

enum class ProgramEnd : std::uint8_t { exited, signalled, out_of_time, too_much_output };

struct ProgramOutcome {
    ProgramEnd end = ProgramEnd::exited;
    int number = 0;  // the exit status, or the signal
    std::string output;
    std::string errors;

    bool succeeded() const { return end == ProgramEnd::exited && number == 0; }
};

// Runs the program in the calling thread's network namespace and waits for its end. It is killed
// when it reaches a limit; the outcome contains its output up to then. Processes that the program
// leaves are not waited for. An Error means that it could not be started (ENOENT: it does not
// exist), or that it hangs in the kernel and could not be killed (ETIMEDOUT). Threads: may be
// called from any.
Result<ProgramOutcome> run_program(const Program& program);

// How it ended, for messages: "exit status 1", "signal 9", "it is not done after 30 s, and was
// ended".
std::string describe_end(const Program& program, const ProgramOutcome& outcome);

// The reason of its failure: its own output, after its status unless it ended by itself and printed
// something.
std::string describe_failure(const Program& program, const ProgramOutcome& outcome,
                             const std::string& words);

// The command as a user would type it, for messages.
std::string describe_command(const std::vector<std::string>& command);

// The directories in which programs are looked up: PATH, or the system's default.
std::string program_search_path();

// The path of a program in one of those directories; empty if there is none.
std::string find_program(const std::string& name);

}  // namespace fsm
