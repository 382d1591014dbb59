// The description of a pod for a mode of interception (PodEnrolment), and the result (EnrolledPod).
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/interception.h"
#include "common/ip_address.h"

namespace fsm {

// One pod for the data path. `addresses`: those on the pod's interfaces, without loopback and
// link-local ones; the first IPv4 and the first IPv6 one are the pod's own. `link_locals`: the IPv6
// ones. Other pods may have the same: both count in the pod's own network namespace only. `given`:
// the addresses that the cluster has assigned (by the CNI result or the pod's status), by which
// other pods of the node find it; empty: unknown.
struct PodEnrolment {
    std::uint64_t netns_cookie = 0;
    std::vector<IpAddress> addresses;
    std::set<IpAddress> link_locals;
    std::set<IpAddress> given;
    // Interfaces of the pod that inbound interception covers: used by tc.
    std::vector<std::string> interfaces;
    // Interfaces whose traffic is not intercepted. The policy's excluded ranges contain their
    // networks, too: used by iptables, which can match an interface.
    std::vector<std::string> excluded_interfaces;
    InterceptionPolicy policy;

    bool operator==(const PodEnrolment&) const = default;
};

// An address on a pod's interfaces that belongs to another living pod, and stays that pod's.
struct AddressConflict {
    IpAddress address;
    std::uint64_t owner = 0;  // netns cookie

    bool operator==(const AddressConflict&) const = default;
};

// The sidecar's observed listeners, by direction and family.
struct SeenListeners {
    bool outbound4 = false;
    bool outbound6 = false;
    bool inbound4 = false;
    bool inbound6 = false;

    bool operator==(const SeenListeners&) const = default;
};

// The result for policies that say "auto".
struct EnrolledPod {
    std::uint64_t netns_cookie = 0;
    std::vector<IpAddress> addresses;
    InboundMechanism inbound = InboundMechanism::sk_lookup;
    Acceleration acceleration = Acceleration::off;
    SeenListeners listeners;
    // Why `inbound` is not the first choice of "auto", as the end of a sentence; empty if it is.
    std::string inbound_reason;
    std::vector<AddressConflict> conflicts;
    // Parts of an earlier mechanism stay for open connections: enrol again later.
    bool draining = false;
};

}  // namespace fsm
