// The parts of the data path that hold pods' state, each with its own maps and lock: enrolling,
// checking and withdrawing a pod use them.
#pragma once

#include "interceptor/datapath/address_book.h"
#include "interceptor/datapath/inbound_attachment.h"
#include "interceptor/datapath/inbound_choice.h"
#include "interceptor/datapath/listener_book.h"
#include "interceptor/datapath/pod_table.h"
#include "interceptor/datapath/policy_store.h"
#include "interceptor/datapath/tc_flows.h"

namespace fsm {

struct AccelerationAbilities {
    bool works = false;                          // it keeps order and flow control
    Acceleration automatic = Acceleration::off;  // for a sidecar that reads safely
};

struct PodParts {
    PodTable& table;
    PolicyStore& policies;
    AddressBook& addresses;
    const ListenerBook& listeners;
    InboundAttachment& inbound;
    const TcFlows& flows;
    InboundObstacles inbound_obstacles;
    AccelerationAbilities acceleration;
};

ListenerPorts listener_ports(const InterceptionPolicy& policy);
ListenerPorts listener_ports(const struct fsm_pod& entry);

// Bits that must never be lost: without them, IPv6 would bypass a sidecar that is down.
constexpr std::uint32_t lasting(std::uint32_t seen) {
    return seen & ~static_cast<std::uint32_t>(FSM_SEEN_OUT4);
}

}  // namespace fsm
