// Where the pods of this node come from, as the configuration says.
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

// The source, and with Kubernetes what else comes from the cluster.
struct NodePods {
    std::unique_ptr<PodSource> source;
    std::unique_ptr<PodNotifier> notifier;  // null: owners of pods are told nothing
    std::unique_ptr<RemovalWatch> removal;  // null: being stopped never means being removed
    std::unique_ptr<NodeTaint> taint;       // null: the node's taints are left alone
    // The pod that this runs in, whose events tell what is wrong with the node; without a name when
    // the environment does not say (POD_NAMESPACE, POD_NAME, POD_UID).
    PodName own;
    std::string own_uid;
};

// An API server that is away is no Error, a configuration that cannot lead to one is.
Result<NodePods> open_node_pods(const Config& config);

}  // namespace fsm
