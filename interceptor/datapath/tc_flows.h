// What the tc filters of a pod translate: the connections in the map of flows.
#pragma once

#include <cstdint>

#include "common/result.h"
#include "interceptor/datapath/bpf_map.h"

namespace fsm {

// Ends the connections that the filters of a pod translate, before the filters go. Without a reset,
// a client that waits for an answer would wait for ever: what the sidecar sends would come from a
// port that the client does not know. The egress filter and the pod's entry must still be there,
// because they translate the resets. In the pod's network namespace.
Result<void> reset_translated(const BpfMap& flows, std::uint64_t netns_cookie);

}  // namespace fsm
