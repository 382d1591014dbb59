// Programs beside us that intercept or rewrite connections, or own the chain of CNI plugins.
#include <algorithm>
#include <array>

#include "cli/checks.h"

namespace fsm::cli {

namespace {

struct Interceptor {
    const char* daemonset;
    const char* profile;  // of the mesh that it belongs to
    const char* name;
    const char* remedy;
};

// Each redirects pods of its mesh by itself.
constexpr std::array<Interceptor, 5> kInterceptors = {{
    {"istio-cni-node", "istio", "istio-cni",
     "uninstall the chart istio-cni, and install istiod with pilot.cni.enabled=true "
     "(charts/fsm/README.md, Meshes)"},
    {"linkerd-cni", "linkerd", "linkerd-cni",
     "uninstall the chart linkerd2-cni, and keep cniEnabled=true in the control plane's chart"},
    {"kuma-cni-node", "kuma", "Kuma's CNI",
     "set KUMA_RUNTIME_KUBERNETES_INJECTOR_CNI_ENABLED=true on kuma-cp instead of cni.enabled"},
    {"merbridge", "", "Merbridge", "uninstall it: it redirects the same connections"},
    {"kmesh", "", "Kmesh",
     "keep the namespaces that it manages apart from those with sidecars, or uninstall it"},
}};

const nlohmann::json* daemonset(const ClusterView& cluster, const std::string& name) {
    const auto found =
        std::find_if(cluster.daemonsets.begin(), cluster.daemonsets.end(),
                     [&](const auto& set) { return text_at(set, "metadata/name") == name; });
    return found == cluster.daemonsets.end() ? nullptr : &*found;
}

std::string namespace_of(const nlohmann::json& set) {
    return text_at(set, "metadata/namespace");
}

void check_interceptors_of_meshes(const ClusterView& cluster, Findings& findings) {
    bool alone = true;
    const bool ambient = daemonset(cluster, "ztunnel") != nullptr;
    for (const auto& other : kInterceptors) {
        const auto* set = daemonset(cluster, other.daemonset);
        if (set == nullptr) {
            continue;
        }
        alone = false;
        const std::string what =
            std::string(other.name) + " is installed in namespace " + namespace_of(*set);
        if (ambient && std::string_view(other.name) == "istio-cni") {
            findings.warning("other-interception", what + ", as Istio's ambient mode needs it",
                             "keep pods with sidecars out of ambient namespaces; istio-cni must "
                             "leave them alone: see its values.excludeNamespaces");
        } else if (*other.profile == '\0' || cluster.profile == other.profile) {
            findings.error("other-interception", what + ", and redirects the same pods",
                           other.remedy);
        } else {
            findings.warning("other-interception",
                             what + ", for another mesh than profile " + cluster.profile,
                             "no pod may be in both meshes");
        }
    }
    if (alone) {
        findings.ok("other-interception", "no other program that redirects pods is installed");
    }
}

bool is_one_of(const std::string& text, std::initializer_list<const char*> list) {
    return std::any_of(list.begin(), list.end(), [&](const char* each) { return text == each; });
}

void check_cilium(const ClusterView& cluster, Findings& findings) {
    const auto* set = daemonset(cluster, "cilium");
    if (set == nullptr) {
        return;
    }
    const auto config = cluster.kubectl.get(
        {"configmap", "cilium-config", "--namespace", namespace_of(*set), "--ignore-not-found"});
    if (!config || config->is_null()) {
        findings.warning(
            "socket-load-balancer",
            "Cilium is installed, and its configuration could not be read: " +
                (config ? "there is no cilium-config" : config.error().message()),
            "set socketLB.hostNamespaceOnly=true and cni.exclusive=false in its chart");
        return;
    }
    const auto value = [&](const char* key) {
        return text_at(*config, std::string("data/") + key);
    };
    const bool balances =
        is_one_of(value("kube-proxy-replacement"), {"true", "strict", "partial", "probe"}) ||
        value("bpf-lb-sock") == "true" || value("enable-host-reachable-services") == "true";
    if (balances && value("bpf-lb-sock-hostns-only") != "true") {
        findings.error(
            "socket-load-balancer",
            "Cilium's socket load balancer is on in pods: at connect() it can replace a "
            "service's address by a pod's before we see it, and sidecars then route by "
            "the pod's",
            "helm upgrade cilium … --reuse-values --set socketLB.hostNamespaceOnly=true, "
            "then restart its DaemonSet");
    } else {
        findings.ok("socket-load-balancer", "Cilium leaves the sockets of pods alone");
    }
    if (value("cni-exclusive") == "true") {
        findings.warning("chain-owner",
                         "Cilium owns the CNI configuration alone: it removes our entry from its "
                         "file whenever it writes it",
                         "helm upgrade cilium … --reuse-values --set cni.exclusive=false");
    }
}

void check_calico(const ClusterView& cluster, Findings& findings) {
    if (daemonset(cluster, "calico-node") == nullptr) {
        return;
    }
    const auto config = cluster.kubectl.get(
        {"felixconfigurations.crd.projectcalico.org", "default", "--ignore-not-found"});
    if (!config) {
        findings.warning("socket-load-balancer",
                         "Calico is installed, and its configuration could not be read: " +
                             config.error().message(),
                         "with its eBPF data plane set bpfConnectTimeLoadBalancing: Disabled");
        return;
    }
    if (!flag_at(*config, "spec/bpfEnabled")) {
        return;
    }
    if (text_at(*config, "spec/bpfConnectTimeLoadBalancing") == "Disabled") {
        findings.ok("socket-load-balancer", "Calico leaves the sockets of pods alone");
        return;
    }
    findings.error("socket-load-balancer",
                   "Calico's eBPF data plane balances services at connect(): it can replace a "
                   "service's address by a pod's before we see it",
                   "kubectl patch felixconfigurations.crd.projectcalico.org default --type merge "
                   "--patch '{\"spec\":{\"bpfConnectTimeLoadBalancing\":\"Disabled\","
                   "\"bpfHostNetworkedNATWithoutCTLB\":\"Enabled\"}}'");
}

}  // namespace

std::vector<Finding> check_neighbours(const ClusterView& cluster) {
    Findings findings("neighbours");
    check_interceptors_of_meshes(cluster, findings);
    check_cilium(cluster, findings);
    check_calico(cluster, findings);
    return findings.take();
}

}  // namespace fsm::cli
