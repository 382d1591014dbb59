// A pod as a mode of interception is told of it (PodEnrolment), and what became of it
// (EnrolledPod).
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/interception.h"
#include "common/ip_address.h"

namespace fsm {

// One pod as the data path holds it. `addresses`: what stands on the pod's interfaces, loopback and
// link-local left out; the first IPv4 and the first IPv6 one are what the pod calls itself.
// `link_locals`: those of IPv6. Other pods may have the same: both count in the pod's own network
// namespace only. `given`: the addresses that the cluster has given to it (the CNI result, the
// pod's status), by which others of the node find it; empty: not known.
struct PodEnrolment {
    std::uint64_t netns_cookie = 0;
    std::vector<IpAddress> addresses;
    std::set<IpAddress> link_locals;
    std::set<IpAddress> given;
    // Interfaces of the pod that inbound interception covers: used by tc.
    std::vector<std::string> interfaces;
    // Those whose traffic is left alone. What is behind them is in the policy's excluded ranges
    // too: used by iptables, which can match an interface.
    std::vector<std::string> excluded_interfaces;
    InterceptionPolicy policy;

    bool operator==(const PodEnrolment&) const = default;
};

// An address on a pod's interfaces that leads to another pod, which lives, and stays that one's.
struct AddressConflict {
    IpAddress address;
    std::uint64_t owner = 0;  // netns cookie

    bool operator==(const AddressConflict&) const = default;
};

// The sidecar's listeners that have been seen, by direction and family.
struct SeenListeners {
    bool outbound4 = false;
    bool outbound6 = false;
    bool inbound4 = false;
    bool inbound6 = false;

    bool operator==(const SeenListeners&) const = default;
};

// What was decided where the policy said "auto".
struct EnrolledPod {
    std::uint64_t netns_cookie = 0;
    std::vector<IpAddress> addresses;
    InboundMechanism inbound = InboundMechanism::sk_lookup;
    Acceleration acceleration = Acceleration::off;
    SeenListeners listeners;
    // Why `inbound` is not what "auto" takes first, a sentence's end; empty when it is.
    std::string inbound_reason;
    std::vector<AddressConflict> conflicts;
    // Something of an earlier mechanism stays for connections that are open: enrol again later.
    bool draining = false;
};

}  // namespace fsm
