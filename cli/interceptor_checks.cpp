// After the installation: the DaemonSet, and each interceptor's view of itself and its node.
#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "cli/checks.h"
#include "cli/node_exec.h"
#include "common/text.h"
#include "common/version.h"

namespace fsm::cli {

namespace {

using nlohmann::json;

constexpr std::size_t kNodesAtOnce = 16;
// Of one node; the rest is counted.
constexpr std::size_t kMostPodProblems = 5;
constexpr const char* kOurs = "fsm_";
constexpr std::array kHooksOfConnect = {"connect4", "connect6", "sendmsg4", "sendmsg6"};
constexpr std::array kOtherPlugins = {"istio-cni", "linkerd-cni", "kuma-cni", "kmesh-cni"};

// What one node's interceptor says.
struct NodeAnswers {
    std::string node;
    std::string trouble;  // why it could not be asked
    json status;
    json report;
};

Result<json> ask(const ClusterView& cluster, const InterceptorPod& pod,
                 std::vector<std::string> words) {
    FSM_ASSIGN(const auto text, run_in(cluster.kubectl, pod, {std::move(words)}));
    auto document = json::parse(text, nullptr, false);
    if (!document.is_object()) {
        return Error("its answer is no JSON: " + text.substr(0, text.find('\n')));
    }
    return document;
}

NodeAnswers answers_of(const ClusterView& cluster, const InterceptorPod& pod) {
    NodeAnswers answers{pod.node, "", {}, {}};
    auto status = ask(cluster, pod, {"query", "/v1/status"});
    if (!status) {
        answers.trouble = status.error().message();
        return answers;
    }
    answers.status = std::move(*status);
    auto report = ask(cluster, pod, {"node-report"});
    if (report) {
        answers.report = std::move(*report);
    } else {
        answers.trouble = report.error().message();
    }
    return answers;
}

// Why pods are missing, in the words of the DaemonSet's controller; empty: it says nothing.
std::string failed_creation(const ClusterView& cluster) {
    const auto events = cluster.kubectl.list(
        {"events", "--namespace", cluster.mesh->mesh_namespace, "--field-selector",
         std::string("reason=FailedCreate,involvedObject.name=") + kInterceptor});
    return events && !events->empty() ? ": " + text_at(events->back(), "message") : "";
}

void check_rollout(const ClusterView& cluster, Findings& findings) {
    const auto& mesh = *cluster.mesh;
    const auto told = std::to_string(mesh.ready_nodes) + " of " + std::to_string(mesh.nodes) +
                      (mesh.nodes == 1 ? " node has" : " nodes have") + " a ready interceptor";
    if (mesh.nodes == 0) {
        findings.error("daemonset", "the DaemonSet selects no node of the cluster",
                       "look at fsm.fsmInterceptor.nodeSelector, affinity and tolerations");
    } else if (mesh.ready_nodes < mesh.nodes) {
        findings.error("daemonset", told + failed_creation(cluster),
                       "kubectl --namespace " + mesh.mesh_namespace +
                           " describe pods --selector app=" + kInterceptor);
    } else {
        findings.ok("daemonset", told);
    }
}

// Of nodes without an interceptor: what runs there goes around the mesh.
void check_coverage(const ClusterView& cluster, const std::vector<InterceptorPod>& pods,
                    Findings& findings) {
    std::set<std::string> covered;
    for (const auto& pod : pods) {
        covered.insert(pod.node);
    }
    bool all = true;
    for (const auto& node : cluster.nodes) {
        const auto name = text_at(node, "metadata/name");
        if (covered.count(name) == 0 &&
            text_at(node, "status/nodeInfo/operatingSystem") == "linux") {
            all = false;
            findings.warning("coverage", "it has no interceptor: its pods are not intercepted",
                             "if pods of the mesh run there, let the DaemonSet select it "
                             "(fsm.fsmInterceptor.nodeSelector, affinity, tolerations)",
                             name);
        }
    }
    if (all) {
        findings.ok("coverage", "every node with Linux has an interceptor");
    }
}

void check_version(const ClusterView& cluster, const std::vector<NodeAnswers>& nodes,
                   Findings& findings) {
    std::set<std::string> versions = {cluster.mesh->version};
    for (const auto& node : nodes) {
        if (!node.status.is_null()) {
            versions.insert(text_at(node.status, "version"));
        }
    }
    if (versions == std::set<std::string>{kVersion}) {
        findings.ok("version", std::string("fsm, the chart and the interceptors are ") + kVersion);
        return;
    }
    findings.warning("version",
                     std::string("fsm is ") + kVersion + ", chart and interceptors are " +
                         joined({versions.begin(), versions.end()}),
                     "`fsm mesh upgrade`, or use the fsm of that version");
}

void check_problems(const NodeAnswers& node, Findings& findings) {
    for (const auto& condition : list_at(node.status, "conditions")) {
        const bool lasts = text_at(condition, "kind") != "incident";
        const std::string message = text_at(condition, "component") + ", since " +
                                    text_at(condition, "since") + ": " +
                                    text_at(condition, "problem");
        const std::string remedy =
            "docs/troubleshooting.md; `fsm interceptor --node " + node.node + " status`";
        lasts ? findings.error("problem", message, remedy, node.node)
              : findings.warning("problem", "once, " + message, remedy, node.node);
    }
    const auto problems = list_at(node.status, "attachments/problems");
    for (std::size_t index = 0; index < std::min(problems.size(), kMostPodProblems); ++index) {
        findings.warning(
            "pod",
            "pod " + text_at(problems[index], "pod") + ": " + text_at(problems[index], "problem"),
            "docs/meshes.md has what a pod can ask for", node.node);
    }
    if (problems.size() > kMostPodProblems) {
        findings.warning(
            "pod", std::to_string(problems.size() - kMostPodProblems) + " more problems of pods",
            "`fsm interceptor --node " + node.node + " status`", node.node);
    }
}

void check_kernel(const ClusterView& cluster, const NodeAnswers& node, Findings& findings) {
    if (cluster.mode == "ebpf" && !flag_at(node.report, "kernel/btf")) {
        findings.error("btf", "the kernel has no BTF (/sys/kernel/btf/vmlinux)",
                       "a kernel with CONFIG_DEBUG_INFO_BTF=y, or mode iptables", node.node);
    }
    if (cluster.mode == "ebpf" && text_at(node.report, "cgroup2/path").empty()) {
        findings.error("cgroup2", "no cgroup2 file system is mounted",
                       "mount one on the node, as systemd does", node.node);
    }
    if (cluster.mode == "ebpf" && !flag_at(node.report, "bpffs/mounted")) {
        findings.error("bpffs", "no bpffs is mounted at " + text_at(node.report, "bpffs/path"),
                       "mount -t bpf bpf /sys/fs/bpf on the node, as systemd does", node.node);
    }
    const auto profile = text_at(node.report, "appArmor/profile");
    if (flag_at(node.report, "appArmor/enabled") && profile.rfind("unconfined", 0) != 0) {
        findings.error("apparmor", "AppArmor confines the interceptor: " + profile,
                       "let the chart set the profile Unconfined; a policy of the cluster may "
                       "change it",
                       node.node);
    }
}

// Another owner's programs before ours at a hook see, and may rewrite, the application's address.
void check_hooks(const NodeAnswers& node, Findings& findings) {
    std::set<std::string> passed;
    std::set<std::string> before;
    for (const auto& program : list_at(node.report, "cgroupPrograms")) {
        const auto hook = text_at(program, "hook");
        const auto name = text_at(program, "name");
        if (std::find(kHooksOfConnect.begin(), kHooksOfConnect.end(), hook) ==
            kHooksOfConnect.end()) {
            continue;
        }
        if (name.rfind(kOurs, 0) == 0) {
            passed.insert(hook);
        } else if (passed.count(hook) == 0) {
            before.insert(name + " at " + hook);
        }
    }
    if (before.empty()) {
        return;
    }
    findings.warning("hooks",
                     "another owner's programs are called before ours: " +
                         joined({before.begin(), before.end()}),
                     "if they rewrite addresses of services, switch that off for pods (Cilium: "
                     "socketLB.hostNamespaceOnly=true; Calico: bpfConnectTimeLoadBalancing: "
                     "Disabled)",
                     node.node);
}

void check_chain(const NodeAnswers& node, Findings& findings) {
    const auto folder = text_at(node.report, "cniConfigurations/path");
    if (folder.empty()) {  // cniMode is false, or it could not be read: a problem of its status
        return;
    }
    std::string ours;
    for (const auto& file : list_at(node.report, "cniConfigurations/files")) {
        const auto text = text_at(file, "text");
        const auto name = text_at(file, "name");
        if (name.front() != '.' && text.find("\"fsm-cni\"") != std::string::npos) {
            ours = name;
        }
        for (const char* other : kOtherPlugins) {
            if (name.front() != '.' && text.find('"' + std::string(other) + '"') != text.npos) {
                findings.error("chain", std::string("the chain in ") + name + " also has " + other,
                               "uninstall it, or remove what it has left in the node's CNI "
                               "configuration: pods would be redirected twice, or do not start",
                               node.node);
            }
        }
    }
    if (ours.empty()) {
        findings.error(
            "chain", "fsm-cni is in no CNI configuration of " + folder,
            "pods that start now go around the mesh: fsm.cni.platform, fsm.cni.configDir "
            "and fsm.cni.configuration say where the entry goes",
            node.node);
    }
}

void check_unavailable(const NodeAnswers& node, Findings& findings) {
    for (const auto& missed : list_at(node.report, "unavailable")) {
        const auto what = text_at(missed, "what");
        if (what == "bpffs" || what == "cgroup2" || what == "cgroupPrograms") {
            findings.warning("node-report", what + ": " + text_at(missed, "why"),
                             "it could not be checked", node.node);
        }
    }
}

bool leaves_sockets_alone(const std::vector<Finding>& neighbours) {
    return std::any_of(neighbours.begin(), neighbours.end(), [](const Finding& finding) {
        return finding.check == "socket-load-balancer" && finding.grade == Grade::ok;
    });
}

// One line for all nodes without a complaint.
void check_answers(const ClusterView& cluster, const std::vector<NodeAnswers>& nodes,
                   const std::vector<Finding>& neighbours, Findings& findings) {
    const bool hooks_matter = cluster.mode == "ebpf" && !leaves_sockets_alone(neighbours);
    std::size_t answered = 0;
    for (const auto& node : nodes) {
        if (!node.trouble.empty()) {
            findings.error("interceptor", "it could not be asked: " + node.trouble,
                           "`kubectl logs` of its pod in namespace " + cluster.mesh->mesh_namespace,
                           node.node);
        }
        if (!node.status.is_null()) {
            check_problems(node, findings);
        }
        if (node.report.is_null()) {
            continue;
        }
        ++answered;
        check_kernel(cluster, node, findings);
        if (hooks_matter) {
            check_hooks(node, findings);
        }
        check_chain(node, findings);
        check_unavailable(node, findings);
    }
    if (answered > 0) {
        findings.ok("interceptor",
                    std::to_string(answered) +
                        (answered == 1 ? " interceptor answers" : " interceptors answer") +
                        ", mode " + cluster.mode + ", profile " + cluster.profile);
    }
}

}  // namespace

std::vector<Finding> check_interceptors(const ClusterView& cluster,
                                        const std::vector<Finding>& neighbours) {
    Findings findings("interceptor");
    check_rollout(cluster, findings);
    const auto pods = find_interceptors(cluster.kubectl, *cluster.mesh, {});
    if (!pods) {
        findings.error("interceptor", pods.error().message(), "see the DaemonSet above");
        return findings.take();
    }
    check_coverage(cluster, *pods, findings);
    std::vector<NodeAnswers> nodes(pods->size());
    run_bounded(pods->size(), kNodesAtOnce,
                [&](std::size_t index) { nodes[index] = answers_of(cluster, (*pods)[index]); });
    check_version(cluster, nodes, findings);
    check_answers(cluster, nodes, neighbours, findings);
    return findings.take();
}

}  // namespace fsm::cli
