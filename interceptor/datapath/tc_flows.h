// TcFlows: the connections that pods' tc filters translate, in the map of flows. Empty if inbound
// by tc is not loaded.
//
// Threads: every function may be called from any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "common/result.h"
#include "interceptor/datapath/datapath_maps.h"

namespace fsm {

class TcFlows {
  public:
    explicit TcFlows(std::optional<FlowsMap> flows) : flows_(flows) {}

    Result<bool> has_any_of(std::uint64_t netns_cookie) const;

    // Resets the connections that a pod's filters translate, before the filters are removed.
    // Otherwise a waiting client would wait for ever: the sidecar's packets would come from a port
    // that it does not know. The egress filter and the pod's entry must still exist, because they
    // translate the resets. Runs in the pod's network namespace.
    Result<void> reset(std::uint64_t netns_cookie) const;

    // Removes the flows that have been idle for FSM_FLOW_LINGER_NS.
    Result<void> sweep() const;

  private:
    const std::optional<FlowsMap> flows_;
};

}  // namespace fsm
