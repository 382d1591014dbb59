// Types with which the pod side describes what to intercept, and which the data path implements.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

#include "common/ip_address.h"
#include "common/port_set.h"

namespace fsm {

// The scope of acceleration: which connections between two sockets of one node bypass the network
// stack.
enum class Acceleration : std::uint8_t {
    off,
    sidecar,  // both ends are sidecars
    full,     // also application to sidecar; changes some socket calls (docs)
};

// The inbound mechanism: how a connection from outside the pod reaches the sidecar's inbound
// listener. A pod can request one of the first two; `iptables` is used in the mode of that name.
enum class InboundMechanism : std::uint8_t { sk_lookup, tc, iptables };

// Whether IPv6 is intercepted. `when_listening`: a direction is intercepted once the sidecar was
// observed to listen on IPv6 for it; before that, IPv6 passes.
enum class Ipv6Mode : std::uint8_t { never, when_listening, always };

// How an inclusion list of ports combines with one of address ranges: traffic must match both, or
// either one (Istio's includeOutboundPorts).
enum class InclusionRule : std::uint8_t { every_list, any_list };

// Which traffic of one direction is intercepted. Addresses are the peer's: destinations for
// outbound, sources for inbound. Exclusion has priority over inclusion. An absent inclusion list
// includes everything, an empty one nothing.
struct TrafficFilter {
    PortSet excluded_ports;
    std::optional<PortSet> included_ports;
    std::set<Cidr> excluded_ranges;
    std::optional<std::set<Cidr>> included_ranges;

    bool operator==(const TrafficFilter&) const = default;
};

// Everything that the data path needs to know about a pod's sidecar and its traffic.
struct InterceptionPolicy {
    // The sidecar's ids as the host sees them (a pod with a user namespace has shifted ids). A
    // socket belongs to the sidecar if its owner has this uid or this gid.
    std::uint32_t sidecar_uid = 0;
    std::optional<std::uint32_t> sidecar_gid;

    // Listening ports of the sidecar, host order.
    std::uint16_t outbound_port4 = 0;
    std::uint16_t inbound_port4 = 0;
    std::uint16_t outbound_port6 = 0;
    std::uint16_t inbound_port6 = 0;

    TrafficFilter outbound;
    TrafficFilter inbound;
    InclusionRule outbound_inclusion = InclusionRule::every_list;

    // If the sidecar binds a connection to this source address, it calls its own application: the
    // connection never goes to the inbound listener (127.0.0.6 and ::6 for Envoy and Pipy).
    std::optional<IpAddress> own_source4;
    std::optional<IpAddress> own_source6;
    // False: such a source is exempt only for destination 127.0.0.1 (FSM's rules). True: for any
    // address of the pod (rule 1 of Istio and Kuma).
    bool own_source_reaches_pod_address = true;
    // The sidecar's calls to its own pod on this port are not intercepted (Istio's 15008); 0: none.
    std::uint16_t self_call_exempt_port = 0;

    Ipv6Mode ipv6 = Ipv6Mode::when_listening;
    // The requested scope. `nullopt` means "auto": the data path decides by the kernel's behaviour
    // and, for acceleration, by `sidecar_reads_safely`.
    std::optional<InboundMechanism> inbound_mechanism;
    std::optional<Acceleration> acceleration;
    // From the profile: the sidecar does not use blocking reads or splice(2), and does not take a
    // short read for an empty socket.
    bool sidecar_reads_safely = false;

    bool operator==(const InterceptionPolicy&) const = default;
};

constexpr std::string_view to_string(Acceleration value) {
    switch (value) {
        case Acceleration::off:
            return "off";
        case Acceleration::sidecar:
            return "sidecar";
        case Acceleration::full:
            return "full";
    }
    return "?";
}

constexpr std::string_view to_string(InboundMechanism value) {
    switch (value) {
        case InboundMechanism::sk_lookup:
            return "sk_lookup";
        case InboundMechanism::tc:
            return "tc";
        case InboundMechanism::iptables:
            return "iptables";
    }
    return "?";
}

constexpr std::string_view to_string(Ipv6Mode value) {
    switch (value) {
        case Ipv6Mode::never:
            return "never";
        case Ipv6Mode::when_listening:
            return "when_listening";
        case Ipv6Mode::always:
            return "always";
    }
    return "?";
}

}  // namespace fsm
