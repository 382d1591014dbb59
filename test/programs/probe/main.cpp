// probe: prints the observations of both ends of a connection, one line per fact.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "probe/cases.h"
#include "probe/server.h"

namespace fsm::test {

namespace {

constexpr const char* kUsage =
    "probe list\n"
    "probe server OPTIONS\n"
    "probe client [--case NAME] [--family v4|v6|mapped] [--limit SECONDS] OPTIONS\n"
    "OPTIONS, the same for both ends:\n"
    "  --server4 A --own4 A --missing4 A --server6 A --own6 A --missing6 A --broadcast A\n"
    "  --port 8080 --second-port 8081 --server-first-port 8082 --closed-port 8083\n"
    "  --udp-port 8084 --sidecar-outbound 15001 --device eth0 --own-ports 20000\n"
    "  --known-ports 1-32767 --names ADDRESS=NAME,ADDRESS=NAME\n";

constexpr unsigned kTickMs = 10;

void list_cases() {
    for (const Case& each : all_cases()) {
        for (const Family family : each.families) {
            std::printf("%s/%s\n", std::string(to_string(family)).c_str(), each.name.c_str());
        }
    }
}

// True if the process ended by itself in time.
bool await_end(pid_t pid, unsigned limit_seconds) {
    int status = 0;
    for (unsigned waited = 0; waited < limit_seconds * 1000; waited += kTickMs) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        }
        pause_ms(kTickMs);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return false;
}

Result<void> run_case(const Case& each, const Context& context, unsigned limit_seconds) {
    const pid_t pid = fork();
    if (pid < 0) {
        return Error::from_errno("fork");
    }
    if (pid == 0) {
        each.run(context);
        _exit(0);
    }
    if (!await_end(pid, limit_seconds)) {
        context.fact("ended", "no: time limit or crash");
    }
    return {};
}

Result<int> run_client(const Options& options) {
    FSM_ASSIGN(const Surroundings around, Surroundings::from(options));
    FSM_ASSIGN(const std::uint64_t limit, options.number("limit", 12));
    int ran = 0;
    for (const Case& each : all_cases()) {
        for (const Family family : each.families) {
            const bool wanted = options.text("case", each.name) == each.name &&
                                options.text("family", to_string(family)) == to_string(family);
            if (wanted) {
                ++ran;
                FSM_TRY(run_case(each, Context(around, family, each.name, "client"),
                                 static_cast<unsigned>(limit)));
            }
        }
    }
    if (ran == 0) {
        return Error("no case has this name and family", EINVAL);
    }
    return 0;
}

Result<int> run(const std::string& mode, const std::vector<std::string>& arguments) {
    if (mode == "list") {
        list_cases();
        return 0;
    }
    std::set<std::string> names = Surroundings::option_names();
    names.insert({"case", "family", "limit"});
    FSM_ASSIGN(const Options options, Options::parse(arguments, names, {}));
    if (mode == "client") {
        return run_client(options);
    }
    if (mode == "server") {
        FSM_ASSIGN(const Surroundings around, Surroundings::from(options));
        FSM_TRY(run_probe_server(around));
        return 0;
    }
    return Error("\"" + mode + "\" is not list, server or client", EINVAL);
}

}  // namespace

}  // namespace fsm::test

int main(int argc, char** argv) {
    const auto status =
        fsm::test::run(argc > 1 ? argv[1] : "", {argv + std::min(argc, 2), argv + argc});
    if (!status) {
        std::fprintf(stderr, "probe: %s\n%s", status.error().message().c_str(), fsm::test::kUsage);
        return 2;
    }
    return *status;
}
