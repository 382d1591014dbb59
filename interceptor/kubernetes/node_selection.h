// Whether a DaemonSet wants a pod on a node, as the cluster's DaemonSet controller decides it for a
// pod that runs there: node selector, required node affinity, and taints that evict.
#pragma once

#include <nlohmann/json.hpp>

#include "common/result.h"

namespace fsm {

// Both objects as the API has them. An Error: something in them is not understood, so that the
// answer is not known.
Result<bool> selects_node(const nlohmann::json& daemon_set, const nlohmann::json& node);

}  // namespace fsm
