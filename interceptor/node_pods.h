// The sources of pods for this node, as configured.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "interceptor/config.h"
#include "interceptor/kubernetes/node_taint.h"
#include "interceptor/kubernetes/removal_watch.h"
#include "interceptor/pod/pod.h"
#include "interceptor/pod/pod_notifier.h"
#include "interceptor/pod/pod_source.h"

namespace fsm {

// The pod source, and in Kubernetes the other parts that use the cluster.
struct NodePods {
    std::unique_ptr<PodSource> source;
    std::unique_ptr<PodNotifier> notifier;  // null: owners get no reports
    std::unique_ptr<RemovalWatch> removal;  // null: a stop never means a removal
    std::unique_ptr<NodeTaint> taint;       // null: the node's taints are not changed
    // The interceptor's own pod, on which events report the node's problems; without a name if the
    // environment does not set it (POD_NAMESPACE, POD_NAME, POD_UID).
    PodName own;
    std::string own_uid;
};

// An API server that cannot be reached is not an Error; a configuration that cannot work is.
Result<NodePods> open_node_pods(const Config& config);

}  // namespace fsm
