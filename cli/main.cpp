// fsm: installs and manages the mesh in a cluster. See ARCHITECTURE.md.
#include <signal.h>

#include <exception>
#include <iostream>
#include <variant>

#include "cli/command_line.h"

int main(int argc, char** argv) {
    signal(SIGPIPE, SIG_IGN);
    try {
        const auto line = fsm::cli::read_command_line(argc, argv);
        if (const auto* finished = std::get_if<fsm::cli::Finished>(&line)) {
            return finished->exit_status;
        }
        const auto outcome = std::get<fsm::cli::Task>(line)();
        if (!outcome) {
            std::cerr << "fsm: " << outcome.error().message() << "\n";
            return 1;
        }
        return 0;
    } catch (const std::exception& failure) {
        std::cerr << "fsm: " << failure.what() << "\n";
        return 1;
    }
}
