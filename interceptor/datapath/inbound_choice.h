// The choice of the inbound mechanism of a pod.
#pragma once

#include <cstdint>
#include <string>

#include "common/interception.h"
#include "common/result.h"

namespace fsm {

// Why a mechanism cannot be used with the loaded features, as a sentence; empty: it can.
struct InboundObstacles {
    std::string sk_lookup;
    std::string tc;
};

// What excludes sk_lookup for this pod.
struct SidecarListeners {
    Result<void> taken;            // entering the listeners into fsm_listeners
    std::uint16_t mptcp_port = 0;  // an inbound port with MPTCP listeners only; 0: none
};

struct InboundChoice {
    InboundMechanism mechanism = InboundMechanism::sk_lookup;
    std::string reason;  // why it is not the first choice of "auto"
};

Result<InboundChoice> choose_inbound(const InterceptionPolicy& policy,
                                     const InboundObstacles& of_node,
                                     const SidecarListeners& listeners);

}  // namespace fsm
