// The vocabulary in which the pod side says what is to be intercepted and the data path does it.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

#include "common/ip_address.h"
#include "common/port_set.h"

namespace fsm {

// Which connections between two sockets of one node skip the network stack.
enum class Acceleration : std::uint8_t {
    off,
    sidecar,  // both ends are sidecars
    full,     // application and sidecar too; changes what some socket calls do (docs)
};

// How a connection from outside the pod reaches the sidecar's inbound listener. A pod may ask for
// one of the first two; `iptables` is what the mode of that name does.
enum class InboundMechanism : std::uint8_t { sk_lookup, tc, iptables };

// Whether IPv6 is intercepted. `when_listening`: in a direction from the moment on at which the
// sidecar was first seen to listen on IPv6 for it; until then IPv6 passes untouched.
enum class Ipv6Mode : std::uint8_t { never, when_listening, always };

// How an inclusion list of ports and one of address ranges combine: traffic must match both, or
// either one suffices (Istio's includeOutboundPorts).
enum class InclusionRule : std::uint8_t { every_list, any_list };

// Which traffic of one direction is intercepted. Addresses are those of the peer: destinations for
// outbound, sources for inbound. Exclusion wins over inclusion. An absent inclusion list means
// "all", an empty one means "none".
struct TrafficFilter {
    PortSet excluded_ports;
    std::optional<PortSet> included_ports;
    std::set<Cidr> excluded_ranges;
    std::optional<std::set<Cidr>> included_ranges;

    bool operator==(const TrafficFilter&) const = default;
};

// Everything that the data path needs to know about the sidecar of one pod and its traffic.
struct InterceptionPolicy {
    // The sidecar's identity as the host sees it (a pod with a user namespace has shifted ids).
    // A socket is the sidecar's when its owner has this uid or this gid.
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

    // A connection of the sidecar that it bound to this source address is its way to its own
    // application and never goes to the inbound listener (127.0.0.6 and ::6 for Envoy and Pipy).
    std::optional<IpAddress> own_source4;
    std::optional<IpAddress> own_source6;
    // False: such a source is exempt only towards 127.0.0.1 (FSM's rules). True: towards any
    // address of the pod (rule 1 of Istio and Kuma).
    bool own_source_reaches_pod_address = true;
    // The sidecar's calls to its own pod on this port are left alone (Istio's 15008); 0: none.
    std::uint16_t self_call_exempt_port = 0;

    Ipv6Mode ipv6 = Ipv6Mode::when_listening;
    // What is wanted. `nullopt` is "auto": the data path decides by what the kernel can do, and,
    // for acceleration, by `sidecar_reads_safely`.
    std::optional<InboundMechanism> inbound_mechanism;
    std::optional<Acceleration> acceleration;
    // The profile vouches that the sidecar reads without blocking, without splice(2), and does not
    // take a short read for an empty socket.
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
