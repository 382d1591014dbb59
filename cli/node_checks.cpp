// What the API server knows about the nodes.
#include <algorithm>
#include <array>
#include <map>

#include "cli/checks.h"

namespace fsm::cli {

namespace {

constexpr std::pair<int, int> kKernelOfEbpf{5, 15};
// Their kernels have the features of later versions under the number 5.14.
constexpr const char* kEnterpriseLinux9 = ".el9";

std::string name_of(const nlohmann::json& node) {
    return text_at(node, "metadata/name");
}

std::string kernel_of(const nlohmann::json& node) {
    return text_at(node, "status/nodeInfo/kernelVersion");
}

bool is_linux(const nlohmann::json& node) {
    return text_at(node, "status/nodeInfo/operatingSystem") == "linux";
}

// "6.1.0 (2 nodes), 6.8.0".
std::string listed(const std::map<std::string, int>& counts) {
    std::string text;
    for (const auto& [what, count] : counts) {
        text += (text.empty() ? "" : ", ") + what +
                (count > 1 ? " (" + std::to_string(count) + " nodes)" : "");
    }
    return text;
}

// True: it is new enough, as far as a version can tell.
bool check_kernel(const nlohmann::json& node, Findings& findings) {
    const auto kernel = kernel_of(node);
    const auto version = leading_version(kernel);
    if (!version) {
        findings.warning("kernel", "the kernel's version is \"" + kernel + "\"",
                         "mode ebpf needs Linux 5.15 or newer: look at the node", name_of(node));
        return false;
    }
    if (*version >= kKernelOfEbpf) {
        return true;
    }
    if (kernel.find(kEnterpriseLinux9) != std::string::npos) {
        findings.warning(
            "kernel",
            "kernel " + kernel +
                " is older than 5.15 by its number; distributions add later features",
            "the interceptor finds out when it starts; mode iptables works in any case "
            "(--set trafficInterceptionMode=iptables)",
            name_of(node));
        return false;
    }
    findings.error(
        "kernel", "kernel " + kernel + " is too old for mode ebpf, which needs 5.15",
        "install with --set trafficInterceptionMode=iptables, upgrade the node's kernel, "
        "or keep the node out with fsm.fsmInterceptor.nodeSelector",
        name_of(node));
    return false;
}

// A ready interceptor in mode ebpf has tried the kernel, which says more than a version.
void check_kernels(const ClusterView& cluster, Findings& findings) {
    std::map<std::string, int> fine;
    for (const auto& node : cluster.nodes) {
        if (!is_linux(node)) {
            continue;
        }
        if (cluster.mesh || cluster.mode != "ebpf" || check_kernel(node, findings)) {
            ++fine[kernel_of(node)];
        }
    }
    if (fine.empty()) {
        return;
    }
    const auto kernels = listed(fine);
    if (cluster.mesh) {
        findings.ok("kernel", "Linux " + kernels + "; the interceptors tell what they can do");
    } else if (cluster.mode == "ebpf") {
        findings.ok("kernel", "Linux " + kernels + ": new enough for mode ebpf");
    } else {
        findings.ok("kernel",
                    "Linux " + kernels + ": mode " + cluster.mode + " has no lower limit");
    }
}

void check_architectures(const ClusterView& cluster, Findings& findings) {
    std::map<std::string, int> fine;
    for (const auto& node : cluster.nodes) {
        const auto architecture = text_at(node, "status/nodeInfo/architecture");
        if (!is_linux(node)) {
            findings.warning("architecture",
                             "it runs " + text_at(node, "status/nodeInfo/operatingSystem") +
                                 ": nothing is intercepted there",
                             "run pods of the mesh on nodes with Linux", name_of(node));
        } else if (architecture != "amd64" && architecture != "arm64") {
            findings.error("architecture", "there is no image for " + architecture,
                           "keep the node out with fsm.fsmInterceptor.nodeSelector", name_of(node));
        } else {
            ++fine[architecture];
        }
    }
    if (!fine.empty()) {
        findings.ok("architecture", listed(fine));
    }
}

bool is_ready(const nlohmann::json& node) {
    const auto conditions = list_at(node, "status/conditions");
    return std::any_of(conditions.begin(), conditions.end(), [](const nlohmann::json& condition) {
        return text_at(condition, "type") == "Ready" && text_at(condition, "status") == "True";
    });
}

void check_readiness(const ClusterView& cluster, Findings& findings) {
    std::size_t ready = 0;
    for (const auto& node : cluster.nodes) {
        if (is_ready(node)) {
            ++ready;
        } else {
            findings.warning("node-ready", "it is not ready",
                             "`kubectl describe node " + name_of(node) +
                                 "`; `fsm install` waits for its interceptor",
                             name_of(node));
        }
    }
    if (cluster.nodes.empty()) {
        findings.error("node-ready", "the cluster has no node", "add one");
    } else if (ready > 0) {
        findings.ok("node-ready",
                    std::to_string(ready) + (ready == 1 ? " node is ready" : " nodes are ready"));
    }
}

struct Platform {
    const char* name;      // fsm.cni.platform
    const char* kubelet;   // part of the kubelet's version
    const char* label;     // or a label of the node
    const char* provider;  // or the beginning of its provider's id
};

// Those whose CNI directories are not the default ones; docs/configuration.md has the directories.
constexpr std::array<Platform, 4> kPlatforms = {{
    {"k3s", "+k3s", "", "k3s://"},
    {"microk8s", "", "microk8s.io/cluster", ""},
    {"gke", "-gke.", "cloud.google.com/gke-nodepool", ""},
    {"openshift", "", "node.openshift.io/os_id", ""},
}};

std::string platform_of(const nlohmann::json& node) {
    const auto kubelet = text_at(node, "status/nodeInfo/kubeletVersion");
    const auto provider = text_at(node, "spec/providerID");
    for (const auto& platform : kPlatforms) {
        const std::string_view part = platform.kubelet;
        const std::string_view beginning = platform.provider;
        if ((!part.empty() && kubelet.find(part) != std::string::npos) ||
            (!beginning.empty() && provider.rfind(beginning, 0) == 0) ||
            (*platform.label != '\0' && !metadata_entry(node, "labels", platform.label).empty())) {
            return platform.name;
        }
    }
    return "default";
}

// After the installation, the interceptors look into the directories themselves.
void check_platform(const ClusterView& cluster, Findings& findings) {
    if (cluster.mesh) {
        return;
    }
    std::map<std::string, int> platforms;
    for (const auto& node : cluster.nodes) {
        ++platforms[platform_of(node)];
    }
    if (platforms.size() > 1) {
        findings.warning("cni-directories",
                         "the nodes are of several platforms: " + listed(platforms),
                         "one installation has one place for CNI plugins: set fsm.cni.binDir and "
                         "fsm.cni.configDir, and look at docs/configuration.md");
    } else if (platforms.size() == 1 && platforms.begin()->first != "default") {
        const auto& name = platforms.begin()->first;
        findings.warning("cni-directories",
                         "the nodes are of platform " + name +
                             ", which keeps its CNI plugins in directories of its own",
                         "install with --set fsm.cni.platform=" + name);
    } else if (!platforms.empty()) {
        findings.ok("cni-directories",
                    "no sign of a platform with other directories than /opt/cni/bin and "
                    "/etc/cni/net.d");
    }
}

}  // namespace

std::vector<Finding> check_nodes(const ClusterView& cluster) {
    Findings findings("nodes");
    check_readiness(cluster, findings);
    check_architectures(cluster, findings);
    check_kernels(cluster, findings);
    check_platform(cluster, findings);
    return findings.take();
}

}  // namespace fsm::cli
