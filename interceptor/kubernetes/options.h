// What the configuration says about pods that come from Kubernetes.
#pragma once

#include <string>

namespace fsm {

struct KubernetesOptions {
    std::string kubeconfig;  // a file; empty: the service account of the pod that this runs in
    std::string node;        // whose pods are followed; empty: what NODE_NAME says
    bool all_nodes = false;  // the pods of every node are followed; `node` means nothing then
    // The key of a taint that this node loses when the interceptor is ready; empty: none.
    std::string node_taint;

    bool operator==(const KubernetesOptions&) const = default;
};

}  // namespace fsm
