#include "interceptor/datapath/inbound_choice.h"

namespace fsm {
namespace {

// A sentence's end; empty: there is none.
std::string obstacle_of_lookup(const InboundAbilities& abilities,
                               const SidecarListeners& listeners) {
    if (!abilities.sk_lookup) {
        return "this kernel does not take the sk_lookup programs (Linux 5.9)";
    }
    if (!listeners.taken) {
        return listeners.taken.error().message();
    }
    if (listeners.mptcp_port != 0) {
        return "the sidecar listens by MPTCP on port " + std::to_string(listeners.mptcp_port) +
               ", and the kernel lets sk_lookup steer to no such listener";
    }
    return {};
}

}  // namespace

Result<InboundChoice> choose_inbound(const InterceptionPolicy& policy,
                                     const InboundAbilities& abilities,
                                     const SidecarListeners& listeners) {
    const auto wanted = policy.inbound_mechanism;
    const std::string obstacle = obstacle_of_lookup(abilities, listeners);
    if (wanted != InboundMechanism::tc && obstacle.empty()) {
        return InboundChoice{};
    }
    if (wanted == InboundMechanism::sk_lookup) {
        return Error("inbound \"sk_lookup\" was asked for, but " + obstacle +
                     ": use \"auto\" or \"tc\"");
    }
    if (!abilities.tc) {
        return Error(
            "neither sk_lookup nor tc can be used on this kernel: it does not take the tc "
            "programs" +
            (obstacle.empty() ? "" : ", and " + obstacle));
    }
    return InboundChoice{InboundMechanism::tc,
                         wanted == InboundMechanism::tc ? std::string() : obstacle};
}

}  // namespace fsm
