// fsm-cni: the composition root. Only this file exits or uses the standard streams.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>

#include "cni-plugin/network_config.h"
#include "cni-plugin/standard_streams.h"
#include "cni-plugin/verbs.h"

namespace {

constexpr int kFailure = 1;

// Best effort: a failed write to stderr cannot be reported anywhere.
void write_to_stderr(std::string_view text) {
    static_cast<void>(static_cast<bool>(fsm::plugin::write_to(STDERR_FILENO, text)));
}

int run(bool has_arguments) {
    const auto start = std::chrono::steady_clock::now();
    if (has_arguments || std::getenv("CNI_COMMAND") == nullptr) {
        write_to_stderr(fsm::plugin::usage_text());
    }
    if (has_arguments) {
        return kFailure;  // runtimes pass no arguments
    }
    // The time limit for stdin cannot be configured, because stdin is the configuration.
    const auto read_stdin = [start] {
        return fsm::plugin::read_until_end(STDIN_FILENO, start + fsm::plugin::kDefaultTimeout);
    };
    const auto lookup = [](const char* name) -> const char* { return std::getenv(name); };
    const fsm::plugin::PluginAnswer answer = fsm::plugin::run_plugin(lookup, read_stdin, start);
    write_to_stderr(answer.diagnostics);
    const auto written = fsm::plugin::write_to(STDOUT_FILENO, answer.output);
    if (!written) {
        write_to_stderr("fsm-cni: stdout: " + written.error().message() + "\n");
        return kFailure;
    }
    return answer.exit_status;
}

}  // namespace

int main(int argc, char**) {
    std::signal(SIGPIPE, SIG_IGN);  // if the runtime has ended, write(2) fails
    try {
        return run(argc > 1);
    } catch (const std::exception& exception) {  // out of memory; the plugin itself does not throw
        write_to_stderr(std::string("fsm-cni: ") + exception.what() + "\n");
        return kFailure;
    }
}
