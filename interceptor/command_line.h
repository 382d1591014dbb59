// The command line of fsm-interceptor.
//
// The commands that query a running interceptor need only its socket. `healthz` and `readyz` read
// no configuration, and the others read none if --socket is given: an invalid file must not make a
// healthy interceptor look dead.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "interceptor/client/commands.h"
#include "interceptor/client/exit_status.h"
#include "interceptor/config.h"

namespace fsm {

enum class Command : std::uint8_t {
    run,
    uninstall,
    check_config,
    version,
    status,
    pods,
    connections,
    counters,
    log,
    query,
    node_report,
    healthz,
    readyz
};

// Whether the end of the standard input ends the process: for commands that another machine runs
// here, and whose own end would otherwise not be noticed.
enum class InputEnd : std::uint8_t { ignored, ends };

struct CommandLine {
    Command command = Command::run;
    Config config;            // the file's settings with the flags' on top
    std::string config_file;  // empty: there is none
    std::string query;        // the path of Command::query
    InputEnd on_input_end = InputEnd::ignored;
    std::string ignored_flags;             // flags without a meaning here, "--a, --b"
    ClientOptions client;                  // of the commands that ask a running interceptor
    std::vector<std::string> log_changes;  // of `log`
    // `config` as the file defines it now.
    std::function<Result<Config>()> read_again;
};

// The exit status, if there is nothing more to do: --help, or an error that was printed on stderr.
struct Finished {
    ExitStatus status;
};

std::variant<CommandLine, Finished> read_command_line(int argc, char** argv);

}  // namespace fsm
