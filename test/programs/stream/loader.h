// The client's engine for requests and connects: many connections on one epoll loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "stream/protocol.h"

namespace fsm::test {

enum class CloseWith : std::uint8_t { fin, reset };

struct LoaderSettings {
    std::vector<Endpoint> targets;   // taken in turn
    std::uint64_t connections = 1;   // open at the same time
    std::uint64_t request_size = 0;  // 0: connect only
    std::uint64_t response_size = 0;
    std::uint64_t requests_per_connection = 0;  // 0: unlimited
    std::optional<std::uint64_t> total_connections;
    std::optional<std::chrono::milliseconds> duration;  // at most
    // Polled frequently: true ends the load, once that many requests have been answered.
    std::function<bool()> told_to_end;
    std::uint64_t at_least_requests = 0;
    CloseWith close_with = CloseWith::fin;
    std::chrono::milliseconds patience{10'000};  // for a connect or an answer
    // The maximum rate of new connections. With most of its ports in TIME_WAIT, the kernel takes
    // tens of milliseconds for each connect().
    std::optional<std::uint64_t> connections_per_second;
};

struct LoaderResult {
    std::uint64_t requests = 0;
    std::uint64_t connected = 0;
    std::uint64_t closed_in_turn = 0;                     // by us, after the last request
    std::map<std::string, std::uint64_t> connect_errors;  // by errno name
    std::map<std::string, std::uint64_t> request_errors;  // EOF: the peer closed instead
    std::uint32_t waiting_us =
        0;  // the longest wait for a connect or an answer at the end of the time
    std::vector<std::uint32_t> latencies_us;
    double seconds = 0;
};

Result<LoaderResult> run_loader(const LoaderSettings& settings);

// The value below which `share` (0 to 1) of the latencies are. Reorders them.
std::uint32_t percentile(std::vector<std::uint32_t>& latencies, double share);

Result<std::vector<Endpoint>> parse_targets(const std::string& address, const std::string& ports);

}  // namespace fsm::test
