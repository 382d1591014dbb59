#include "interceptor/node_pods.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "interceptor/kubernetes/kubeconfig.h"
#include "interceptor/kubernetes/kubernetes_pods.h"
#include "interceptor/pod/manifest_directory.h"

namespace fsm {

namespace {

// The node whose pods are followed; empty: all nodes.
Result<std::string> node_of(const KubernetesOptions& options) {
    if (options.all_nodes || !options.node.empty()) {
        return options.node;
    }
    // Nothing here changes the environment.
    const char* name = std::getenv("NODE_NAME");  // NOLINT(concurrency-mt-unsafe)
    if (name == nullptr || *name == '\0') {
        return Error(
            "the name of this node is not known: set podSource.kubernetes.node, or NODE_NAME in "
            "the environment (from spec.nodeName), or podSource.kubernetes.allNodes: true to "
            "follow the pods of every node");
    }
    return std::string(name);
}

Result<std::unique_ptr<PodSource>> open_kubernetes(const KubernetesOptions& options) {
    KubernetesPodsOptions pods;
    FSM_ASSIGN(pods.node, node_of(options));
    FSM_ASSIGN(const auto access, cluster_access(options));
    return std::unique_ptr<PodSource>(std::make_unique<KubernetesPods>(access, std::move(pods)));
}

}  // namespace

Result<ClusterAccess> cluster_access(const KubernetesOptions& options) {
    return options.kubeconfig.empty() ? in_cluster_access() : read_kubeconfig(options.kubeconfig);
}

Result<std::unique_ptr<PodSource>> open_pod_source(const Config& config) {
    if (config.kubernetes) {
        return open_kubernetes(*config.kubernetes);
    }
    FSM_ASSIGN(auto directory, ManifestDirectory::open(config.pod_directory));
    return std::unique_ptr<PodSource>(std::move(directory));
}

}  // namespace fsm
