// A pod's interception policy in the format of the maps (bpf/abi.h).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/interception.h"
#include "common/result.h"
#include "interceptor/datapath/datapath_maps.h"
#include "interceptor/interception/enrolment.h"

namespace fsm {

// The pod's lists, as entries under its pod id.
struct PolicyEntries {
    std::vector<fsm_port_key> ports;
    std::vector<fsm_range_key> ranges;
};

// One list of ports of a pod; `list` is an enum fsm_list.
std::vector<fsm_port_key> port_keys(std::uint32_t pod_id, std::uint16_t list, const PortSet& ports);
PolicyEntries policy_entries(std::uint32_t pod_id, const InterceptionPolicy& policy);

// Decisions about the pod beyond its policy.
struct PodDecision {
    std::uint32_t pod_id = 0;
    InboundMechanism inbound = InboundMechanism::sk_lookup;
    Acceleration acceleration = Acceleration::off;
    std::uint32_t listeners = 0;  // enum fsm_seen

    bool operator==(const PodDecision&) const = default;
};

struct fsm_pod pod_entry(const PodEnrolment& enrolment, const PodDecision& decision);

// `scope`: an enum fsm_scope.
Acceleration acceleration_of(std::uint8_t scope);

struct fsm_address map_address(const IpAddress& address);
IpAddress ip_address(const struct fsm_address& address);

// Writes all entries or, on failure, none.
Result<void> write_policy(const PortsMap& ports, const RangesMap& ranges,
                          const PolicyEntries& entries);
Result<void> remove_policy(const PortsMap& ports, const RangesMap& ranges,
                           const PolicyEntries& entries);
// Deletes the entries of every pod id that is stale.
Result<void> purge_policies(const PortsMap& ports, const RangesMap& ranges,
                            const std::function<bool(std::uint32_t pod_id)>& is_stale);

}  // namespace fsm
