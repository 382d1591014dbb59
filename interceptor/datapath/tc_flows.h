// TcFlows: what the tc filters of pods translate: the connections in the map of flows. Where
// inbound by tc is not loaded, there are none.
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

    // Ends the connections that the filters of a pod translate, before the filters go. Without a
    // reset, a client that waits for an answer would wait for ever: what the sidecar sends would
    // come from a port that the client does not know. The egress filter and the pod's entry must
    // still be there, because they translate the resets. In the pod's network namespace.
    Result<void> reset(std::uint64_t netns_cookie) const;

    // Removes those that have been idle for FSM_FLOW_LINGER_NS.
    Result<void> sweep() const;

  private:
    const std::optional<FlowsMap> flows_;
};

}  // namespace fsm
