// The command line of fsm-interceptor.
//
// The commands that ask a running interceptor need its socket alone. `healthz` and `readyz` read no
// configuration, and the others none when --socket is given: what has been written into a file
// since the interceptor was started is no reason to take it for dead.
#pragma once

#include <functional>
#include <string>
#include <variant>

#include "interceptor/config.h"

namespace fsm {

enum class Command : std::uint8_t {
    run,
    uninstall,
    check_config,
    version,
    status,
    pods,
    counters,
    healthz,
    readyz
};

struct CommandLine {
    Command command = Command::run;
    Config config;              // the file's settings with the flags' on top
    std::string config_file;    // empty: there is none
    std::string ignored_flags;  // that were given and mean nothing here, "--a, --b"
    // `config`, from the file as it is now.
    std::function<Result<Config>()> read_again;
};

// The exit status, when there is nothing more to do: --help, or a mistake that was told on stderr.
struct Finished {
    int exit_status;
};

std::variant<CommandLine, Finished> read_command_line(int argc, char** argv);

}  // namespace fsm
