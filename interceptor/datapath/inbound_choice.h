// Which mechanism leads a pod's inbound connections to its sidecar.
#pragma once

#include <cstdint>
#include <string>

#include "common/interception.h"
#include "common/result.h"

namespace fsm {

// Why a mechanism cannot be used with what is loaded, a sentence; empty: it can.
struct InboundObstacles {
    std::string sk_lookup;
    std::string tc;
};

// What speaks against sk_lookup in this pod.
struct SidecarListeners {
    Result<void> taken;            // into the map that sk_lookup steers by
    std::uint16_t mptcp_port = 0;  // an inbound port that has listeners by MPTCP alone; 0: none
};

struct InboundChoice {
    InboundMechanism mechanism = InboundMechanism::sk_lookup;
    std::string reason;  // why it is not the first choice of "auto"
};

Result<InboundChoice> choose_inbound(const InterceptionPolicy& policy,
                                     const InboundObstacles& of_node,
                                     const SidecarListeners& listeners);

}  // namespace fsm
