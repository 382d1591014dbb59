// Whether a DaemonSet selects a node, by the rules of the cluster's DaemonSet controller for a
// running pod: node selector, required node affinity, and evicting taints.
#pragma once

#include <nlohmann/json.hpp>

#include "common/result.h"

namespace fsm {

// Both objects as returned by the API. An Error: they contain something unknown, so the answer is
// not known.
Result<bool> selects_node(const nlohmann::json& daemon_set, const nlohmann::json& node);

}  // namespace fsm
