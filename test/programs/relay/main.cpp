// relay: the tests' own sidecar. It does only the transport of a sidecar: query the original
// destination, connect, and relay bytes in both directions without loss.
#include <cstdio>

#include "relay/config.h"
#include "relay/report.h"
#include "relay/supervisor.h"

namespace {

fsm::Result<void> run(const std::vector<std::string>& command_line) {
    FSM_ASSIGN(const auto config,
               fsm::test::Config::parse({command_line.begin() + 1, command_line.end()}));
    FSM_ASSIGN(const auto reporter, fsm::test::Reporter::open(config));
    fsm::test::raise_file_limit();
    return fsm::test::Supervisor(config, reporter, command_line).run();
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> command_line(argv, argv + argc);
    if (auto result = run(command_line); !result) {
        std::fprintf(stderr, "relay: %s\n", result.error().message().c_str());
        if (result.error().errno_value() == EINVAL) {
            std::fputs(fsm::test::kUsage.data(), stderr);
        }
        return 1;
    }
    return 0;
}
