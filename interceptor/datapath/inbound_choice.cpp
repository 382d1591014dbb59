#include "interceptor/datapath/inbound_choice.h"

namespace fsm {
namespace {

std::string obstacle_to_lookup(const InboundObstacles& of_node, const SidecarListeners& listeners) {
    if (!of_node.sk_lookup.empty()) {
        return of_node.sk_lookup;
    }
    if (!listeners.taken) {
        return listeners.taken.error().message();
    }
    if (listeners.mptcp_port != 0) {
        return "the sidecar listens by MPTCP on port " + std::to_string(listeners.mptcp_port) +
               ", and the kernel does not allow sk_lookup to assign such a listener";
    }
    return {};
}

Error cannot(const char* wanted, const std::string& obstacle, const char* other) {
    return Error(std::string("inbound \"") + wanted + "\" was asked for, but " + obstacle +
                 ": use \"auto\" or \"" + other + "\"");
}

}  // namespace

Result<InboundChoice> choose_inbound(const InterceptionPolicy& policy,
                                     const InboundObstacles& of_node,
                                     const SidecarListeners& listeners) {
    const auto wanted = policy.inbound_mechanism;
    if (wanted == InboundMechanism::tc) {
        if (!of_node.tc.empty()) {
            return cannot("tc", of_node.tc, "sk_lookup");
        }
        return InboundChoice{InboundMechanism::tc, {}};
    }
    const std::string obstacle = obstacle_to_lookup(of_node, listeners);
    if (obstacle.empty()) {
        return InboundChoice{};
    }
    if (wanted == InboundMechanism::sk_lookup) {
        return cannot("sk_lookup", obstacle, "tc");
    }
    if (!of_node.tc.empty()) {
        return Error("neither sk_lookup nor tc can be used: " + of_node.tc + ", and " + obstacle);
    }
    return InboundChoice{InboundMechanism::tc, obstacle};
}

}  // namespace fsm
