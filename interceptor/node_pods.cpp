#include "interceptor/node_pods.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "interceptor/kubernetes/kubeconfig.h"
#include "interceptor/kubernetes/kubernetes_pods.h"
#include "interceptor/kubernetes/pod_events.h"
#include "interceptor/log/log.h"
#include "interceptor/pod/manifest_directory.h"
#include "interceptor/pod/no_pods.h"

namespace fsm {

namespace {

std::string environment(const char* name) {
    // The environment is never changed after the start, so getenv is safe.
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return value == nullptr ? "" : value;
}

// The pod and node of this process, as far as known.
std::string own_node(const KubernetesOptions& options) {
    return options.node.empty() ? environment("NODE_NAME") : options.node;
}

// The node whose pods are followed; empty: all nodes.
Result<std::string> node_to_follow(const KubernetesOptions& options) {
    if (options.all_nodes) {
        return std::string();
    }
    std::string node = own_node(options);
    if (node.empty()) {
        return Error(
            "the name of this node is not known: set podSource.kubernetes.node, or NODE_NAME in "
            "the environment (from spec.nodeName), or podSource.kubernetes.allNodes: true to "
            "follow the pods of every node");
    }
    return node;
}

std::unique_ptr<RemovalWatch> watch_removal(const ClusterAccess& access, const std::string& node) {
    RemovalWatchOptions options;
    options.node = node;
    options.name_space = environment("POD_NAMESPACE");
    options.daemon_set = environment("FSM_DAEMONSET");
    if (options.daemon_set.empty()) {
        options.daemon_set = "fsm-interceptor";
    }
    if (options.name_space.empty()) {
        log::info("POD_NAMESPACE is not set: a stop is never taken for a removal");
        return nullptr;
    }
    return std::make_unique<RemovalWatch>(access, std::move(options));
}

Result<std::unique_ptr<NodeTaint>> node_taint(const ClusterAccess& access,
                                              const KubernetesOptions& options) {
    if (options.node_taint.empty()) {
        return std::unique_ptr<NodeTaint>();
    }
    NodeTaintOptions taint;
    taint.key = options.node_taint;
    taint.node = own_node(options);
    if (taint.node.empty()) {
        return Error(
            "podSource.kubernetes.nodeTaint requires the name of this node, which is unknown: "
            "set NODE_NAME in the environment (from spec.nodeName)");
    }
    return std::make_unique<NodeTaint>(access, std::move(taint));
}

Result<NodePods> open_kubernetes(const KubernetesOptions& options) {
    KubernetesPodsOptions pods;
    FSM_ASSIGN(pods.node, node_to_follow(options));
    FSM_ASSIGN(const auto access, options.kubeconfig.empty() ? in_cluster_access()
                                                             : read_kubeconfig(options.kubeconfig));
    PodEventsOptions events;
    events.host = own_node(options);
    NodePods opened;
    opened.source = std::make_unique<KubernetesPods>(access, std::move(pods));
    opened.notifier = std::make_unique<PodEvents>(access, std::move(events));
    opened.removal = watch_removal(access, own_node(options));
    FSM_ASSIGN(opened.taint, node_taint(access, options));
    opened.own = {environment("POD_NAMESPACE"), environment("POD_NAME")};
    opened.own_uid = environment("POD_UID");
    return opened;
}

}  // namespace

Result<NodePods> open_node_pods(const Config& config) {
    NodePods opened;
    if (config.kubernetes) {
        FSM_ASSIGN(opened, open_kubernetes(*config.kubernetes));
    }
    // Mode none looks up no pods: without a pod source ADD does not wait.
    if (config.mode == InterceptionMode::none) {
        opened.source = std::make_unique<NoPods>();
    } else if (!config.kubernetes) {
        FSM_ASSIGN(opened.source, ManifestDirectory::open(config.pod_directory));
    }
    return opened;
}

}  // namespace fsm
