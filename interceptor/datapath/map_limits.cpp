#include "interceptor/datapath/map_limits.h"

#include <algorithm>
#include <array>

namespace fsm {
namespace {

// Listening sockets of the sidecar for each pod, on average: two ports, two families, two binds,
// and workers.
constexpr std::uint32_t kListenersPerPod = 16;
constexpr std::uint32_t kAddressesPerPod = 4;
constexpr std::uint32_t kOwnAddressesPerPod = 16;
// Besides the sidecar, on average, and the pod's own entry.
constexpr std::uint32_t kContainersPerPod = 8;

constexpr auto kPods = &DatapathOptions::max_pods;
constexpr auto kLists = &DatapathOptions::max_policy_entries;
constexpr auto kConnections = &DatapathOptions::max_connections;

constexpr auto kLimits = std::to_array<MapLimit>({
    {"fsm_pods", "maxPods", kPods, 1},
    {"fsm_observed", "maxPods", kPods, 1},
    {"fsm_usage", "maxPods", kPods, 1},
    {"fsm_pod_ips", "maxPods", kPods, kAddressesPerPod},
    {"fsm_addresses", "maxPods", kPods, kOwnAddressesPerPod},
    {"fsm_listeners", "maxPods", kPods, kListenersPerPod},
    {"fsm_containers", "maxPods", kPods, kContainersPerPod},
    {"fsm_ports", "maxPolicyEntries", kLists, 1},
    {"fsm_ranges", "maxPolicyEntries", kLists, 1},
    {"fsm_sockets", "maxConnections", kConnections, kEndsPerConnection},
    {"fsm_handshakes", "maxConnections", kConnections, 1},
    {"fsm_flows", "maxConnections", kConnections, 1},
});

}  // namespace

std::span<const MapLimit> map_limits() {
    return kLimits;
}

const char* setting_that_limits(std::string_view map) {
    const auto found = std::find_if(kLimits.begin(), kLimits.end(),
                                    [&](const MapLimit& limit) { return limit.map == map; });
    return found == kLimits.end() ? nullptr : found->setting;
}

}  // namespace fsm
