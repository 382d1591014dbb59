// stream: load, integrity and life of TCP connections, as a client and as a server.
#include <cstdio>
#include <map>

#include "stream/modes.h"

namespace {

constexpr const char* kUsage =
    "stream server [--address A] [--port P,P-P] [--server-first-port P] [--workers N]\n"
    "              [--max-size BYTES]\n"
    "stream load --address A --port P [--connections C] [--seconds T] [--size S]\n"
    "            [--request S] [--response S] [--requests-per-connection N]\n"
    "            [--connections-per-second N] [--at-least REQUESTS]   (until SIGTERM)\n"
    "stream bulk --address A --port P [--connections C] [--seconds T] [--size WRITE]\n"
    "            [--direction down|up]\n"
    "stream connects --address A --port P --count N|--seconds T [--concurrency C] [--size S]\n"
    "                [--close fin|reset]\n"
    "stream hold --address A --port P,P-P --count N [--processes N]   (until stdin ends)\n"
    "stream integrity --address A --port P [--server-first-port P] [--streams N]\n"
    "                 [--parallel N] [--max-size BYTES] [--seed N] [--no-pauses]\n"
    "                 [--in-turn]\n"
    "stream never-reads --address A --port P [--limit BYTES] [--quiet-ms 2000]\n"
    "stream validate-istio [--outbound 15001] [--inbound 15006] [--address 127.0.0.1]\n"
    "                      [--target 127.0.0.6] [--target-port 15002] [--seconds 5]\n"
    "Results are JSON, one line each. integrity and never-reads need a server with one worker.\n";

using Mode = fsm::Result<int> (*)(const fsm::test::Arguments&);

const std::map<std::string, Mode>& modes() {
    static const std::map<std::string, Mode> all = {
        {"server", fsm::test::run_server},
        {"load", fsm::test::run_load},
        {"bulk", fsm::test::run_bulk},
        {"connects", fsm::test::run_connects},
        {"hold", fsm::test::run_hold},
        {"integrity", fsm::test::run_integrity},
        {"never-reads", fsm::test::run_never_reads},
        {"validate-istio", fsm::test::run_validate_istio},
    };
    return all;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string name = argc > 1 ? argv[1] : "";
    const auto mode = modes().find(name);
    if (mode == modes().end()) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    const auto status = mode->second({argv + 2, argv + argc});
    if (!status) {
        std::fprintf(stderr, "stream %s: %s\n", name.c_str(), status.error().message().c_str());
        return status.error().errno_value() == EINVAL ? 2 : 1;
    }
    return *status;
}
