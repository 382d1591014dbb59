// The configuration's options for pods from Kubernetes.
#pragma once

#include <string>

namespace fsm {

struct KubernetesOptions {
    std::string kubeconfig;  // a file; empty: the service account of the pod that this runs in
    std::string node;        // whose pods are followed; empty: from NODE_NAME
    bool all_nodes = false;  // follow the pods of every node; `node` is ignored then
    // The key of a taint that is removed from this node when the interceptor is ready; empty: none.
    std::string node_taint;

    bool operator==(const KubernetesOptions&) const = default;
};

}  // namespace fsm
