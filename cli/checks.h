// The checks of `fsm check`, by group.
#pragma once

#include <vector>

#include "cli/cluster_view.h"
#include "cli/finding.h"

namespace fsm::cli {

// Versions, the user's rights, other meshes, what the namespace admits.
std::vector<Finding> check_api(const ClusterView& cluster);

// What the API server knows about the nodes.
std::vector<Finding> check_nodes(const ClusterView& cluster);

// Programs beside us that intercept or rewrite connections, or own the chain of CNI plugins.
std::vector<Finding> check_neighbours(const ClusterView& cluster);

// After the installation: the DaemonSet, and each interceptor's view of itself and its node.
// `neighbours`: what check_neighbours() has found.
std::vector<Finding> check_interceptors(const ClusterView& cluster,
                                        const std::vector<Finding>& neighbours);

}  // namespace fsm::cli
