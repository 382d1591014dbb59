// The relay's listeners, and how it reaches the other side.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "net/socket.h"

namespace fsm::test {

enum class Direction : std::uint8_t { outbound, inbound };
enum class WorkerKind : std::uint8_t { thread, process };
// The destination of inbound connections: loopback, as with Pipy, or the original destination, as
// with Envoy.
enum class InboundTarget : std::uint8_t { loopback, original };

struct ListenAddress {
    Direction direction = Direction::outbound;
    Endpoint endpoint;
    bool v6_only = true;
};

struct Config {
    std::vector<ListenAddress> addresses;
    std::uint64_t workers = 1;
    WorkerKind worker_kind = WorkerKind::thread;
    bool reuse_port = false;
    // The source address of inbound connections to the application; absent: the kernel's choice.
    std::optional<Endpoint> source4;
    std::optional<Endpoint> source6;
    InboundTarget inbound_target = InboundTarget::loopback;
    std::uint64_t buffer_size = 0;           // bytes
    std::optional<std::string> report_path;  // "-": standard output
    std::optional<std::string> pid_path;

    static Result<Config> parse(const std::vector<std::string>& arguments);
};

constexpr std::string_view kUsage =
    "relay [--outbound 15001] [--inbound 15003] [--outbound6 PORT] [--inbound6 PORT]\n"
    "      [--listen separate|dual|v4|v6] [--loopback-only]\n"
    "      [--workers N] [--worker-kind thread|process] [--reuse-port]\n"
    "      [--source 127.0.0.6|none] [--source6 none|ADDRESS]\n"
    "      [--inbound-target loopback|original] [--buffer 131072]\n"
    "      [--report FILE|-] [--pid-file FILE]\n"
    "SIGUSR2 (with --reuse-port or more than one worker): a successor starts, this one drains.\n"
    "SIGTERM ends it at once. The pid file is written when everything listens.\n";

constexpr std::string_view to_string(Direction direction) {
    return direction == Direction::outbound ? "outbound" : "inbound";
}

}  // namespace fsm::test
