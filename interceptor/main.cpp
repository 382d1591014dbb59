// fsm-interceptor: the node's daemon. See ARCHITECTURE.md.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <iostream>
#include <memory>
#include <thread>
#include <variant>

#include "common/version.h"
#include "interceptor/client/commands.h"
#include "interceptor/command_line.h"
#include "interceptor/daemon.h"
#include "interceptor/log/log.h"
#include "interceptor/node_report.h"
#include "interceptor/pod/mesh_profile.h"
#include "interceptor/uninstall.h"

namespace {

using namespace fsm;

// Before any thread starts: threads inherit the mask, and only one place waits for the signals.
void block_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);
}

// Every client and every pod needs descriptors for a moment.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int report(const Result<void>& outcome) {
    if (outcome) {
        return 0;
    }
    log::error("{}", outcome.error().message());
    return 1;
}

int run(const CommandLine& line) {
    block_signals();
    raise_descriptor_limit();
    if (!line.ignored_flags.empty()) {
        log::info("without effect here: {}", line.ignored_flags);
    }
    return report(run_daemon(line));
}

int check_config(const CommandLine& line) {
    const auto profile = MeshProfile::find(line.config.profile, line.config.profiles_directory);
    if (!profile) {
        return report(profile.error());
    }
    std::cout << (line.config_file.empty() ? "no configuration file: the defaults"
                                           : line.config_file)
              << " and profile " << line.config.profile << " are valid\n";
    return 0;
}

int print(const Result<std::string>& text) {
    if (!text) {
        return report(text.error());
    }
    std::cout << *text;
    return 0;
}

void set_up_log(const Config& config) {
    log::set_up(config.log_level, config.log_format);
    for (const auto& [module, level] : config.log_levels) {
        log::set_level(module, level);
    }
}

// For a command that waits elsewhere. The thread has every signal blocked: the command's own
// threads handle them.
void end_with_input() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    std::thread([] {
        std::array<char, 256> ignored;  // NOLINT: read() fills it
        while (read(STDIN_FILENO, ignored.data(), ignored.size()) > 0) {
        }
        _exit(0);
    }).detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

int execute(const CommandLine& line) {
    const std::string& socket = line.config.socket;
    set_up_log(line.config);
    if (line.on_input_end == InputEnd::ends) {
        end_with_input();
    }
    switch (line.command) {
        case Command::run:
            return run(line);
        case Command::uninstall:
            return report(uninstall(line.config));
        case Command::check_config:
            return check_config(line);
        case Command::version:
            std::cout << kVersion << "\n";
            return 0;
        case Command::status:
            return to_int(print_status(socket, line.client));
        case Command::pods:
            return to_int(print_pods(socket, line.client));
        case Command::connections:
            return to_int(print_connections(socket, line.client));
        case Command::counters:
            return to_int(print_counters(socket, line.client));
        case Command::log:
            return to_int(change_log(socket, line.client, line.log_changes));
        case Command::query:
            return to_int(print_answer(socket, line.query));
        case Command::node_report:
            return print(describe_node(line.config));
        case Command::healthz:
            return to_int(probe(socket, "/healthz"));
        case Command::readyz:
            return to_int(probe(socket, "/readyz"));
    }
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const auto line = fsm::read_command_line(argc, argv);
        if (const auto* finished = std::get_if<Finished>(&line)) {
            return to_int(finished->status);
        }
        return execute(std::get<CommandLine>(line));
    } catch (const std::exception& failure) {
        std::cerr << "fsm-interceptor: " << failure.what() << "\n";
        return 1;
    }
}
