// Where the pods of this node come from, as the configuration says.
#pragma once

#include <memory>

#include "common/result.h"
#include "interceptor/config.h"
#include "interceptor/kubernetes/cluster_access.h"
#include "interceptor/pod/pod_source.h"

namespace fsm {

// The way to the API server that the configuration names.
Result<ClusterAccess> cluster_access(const KubernetesOptions& options);

// An API server that is away is no Error, a configuration that cannot lead to one is.
Result<std::unique_ptr<PodSource>> open_pod_source(const Config& config);

}  // namespace fsm
