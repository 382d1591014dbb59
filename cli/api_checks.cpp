// Versions, the user's rights, other meshes, what the namespace admits.
#include <algorithm>
#include <array>
#include <charconv>

#include "cli/checks.h"
#include "cli/node_exec.h"
#include "common/version.h"

namespace fsm::cli {

namespace {

constexpr std::pair<int, int> kOldestKubernetes{1, 24};  // charts/fsm/Chart.yaml
constexpr std::size_t kRightsAtOnce = 8;
constexpr const char* kEnforce = "pod-security.kubernetes.io/enforce";

struct Right {
    const char* verb;
    const char* resource;
    const char* subresource;
    const char* why;
};

// helm keeps its releases in Secrets.
constexpr std::array<Right, 9> kToInstall = {{
    {"create", "namespaces", "", "fsm install"},
    {"create", "daemonsets.apps", "", "fsm install"},
    {"create", "configmaps", "", "fsm install"},
    {"create", "serviceaccounts", "", "fsm install"},
    {"create", "secrets", "", "helm"},
    {"create", "roles.rbac.authorization.k8s.io", "", "fsm install"},
    {"create", "rolebindings.rbac.authorization.k8s.io", "", "fsm install"},
    {"create", "clusterroles.rbac.authorization.k8s.io", "", "fsm install"},
    {"create", "clusterrolebindings.rbac.authorization.k8s.io", "", "fsm install"},
}};
constexpr std::array<Right, 3> kToLook = {{
    {"create", "pods", "exec", "fsm interceptor, fsm check, fsm support-bundle"},
    {"get", "pods", "log", "fsm support-bundle"},
    {"list", "events", "", "fsm support-bundle"},
}};

void check_versions(const ClusterView& cluster, Findings& findings) {
    const auto server = text_at(cluster.version, "serverVersion/gitVersion");
    const auto client = text_at(cluster.version, "clientVersion/gitVersion");
    findings.ok("api-server", "it answers");
    const auto served = leading_version(server);
    const auto own = leading_version(client);
    if (!served) {
        findings.warning("kubernetes-version", "the API server's version is \"" + server + "\"",
                         "compare it with `kubectl version`");
    } else if (*served < kOldestKubernetes) {
        findings.error("kubernetes-version", "Kubernetes " + server + " is older than 1.24",
                       "upgrade the cluster");
    } else {
        findings.ok("kubernetes-version", "Kubernetes " + server);
    }
    if (served && own && std::abs(served->second - own->second) > 1) {
        findings.warning(
            "kubectl-version",
            "kubectl " + client + " is more than one minor version away from " + server,
            "use a kubectl of the cluster's version (KUBECTL=/path/to/kubectl)");
    }
}

struct Answer {
    bool allowed = false;
    std::string trouble;  // why it is not known
};

Answer may(const ClusterView& cluster, const Right& right) {
    std::vector<std::string> words = {
        "auth", "can-i", right.verb, right.resource, "--namespace", cluster.settings.fsm_namespace};
    if (*right.subresource != '\0') {
        words.push_back(std::string("--subresource=") + right.subresource);
    }
    const Program program = cluster.kubectl.program(words);
    const auto outcome = run_program(program);
    // "no" has exit status 1.
    if (outcome && (outcome->output.rfind("yes", 0) == 0 || outcome->output.rfind("no", 0) == 0)) {
        return {outcome->output.front() == 'y', ""};
    }
    const auto judged = Kubectl::judge(program, outcome);
    return {false, judged ? "kubectl auth can-i: unexpected answer" : judged.error().message()};
}

void check_rights(const ClusterView& cluster, Findings& findings) {
    const bool installed = cluster.mesh.has_value();
    std::vector<Right> rights(kToLook.begin(), kToLook.end());
    if (!installed) {
        rights.assign(kToInstall.begin(), kToInstall.end());
    }
    std::vector<Answer> answers(rights.size());
    run_bounded(rights.size(), kRightsAtOnce,
                [&](std::size_t index) { answers[index] = may(cluster, rights[index]); });
    bool all = true;
    for (std::size_t index = 0; index < rights.size(); ++index) {
        const auto& right = rights[index];
        const std::string what = std::string(right.verb) + " " + right.resource +
                                 (*right.subresource != '\0' ? "/" : "") + right.subresource;
        all = all && answers[index].allowed;
        if (!answers[index].trouble.empty()) {
            findings.warning("rights", "not known: " + answers[index].trouble,
                             "`kubectl auth can-i " + what + "`");
        } else if (!answers[index].allowed) {
            const std::string message = "you may not " + what;
            const std::string remedy =
                std::string(right.why) +
                (std::string_view(right.why).find(',') == std::string::npos ? " needs" : " need") +
                " it: ask the cluster's administrator";
            installed ? findings.warning("rights", message, remedy)
                      : findings.error("rights", message, remedy);
        }
    }
    if (all) {
        findings.ok("rights",
                    installed ? "you may look at the interceptors" : "you may install the mesh");
    }
}

void check_other_meshes(const ClusterView& cluster, Findings& findings) {
    const auto& meshes = cluster.meshes;
    if (!meshes) {
        findings.error("mesh", meshes.error().message(), "you need the right to list DaemonSets");
        return;
    }
    if (cluster.mesh) {
        if (meshes->size() > 1) {
            findings.warning("mesh", "the cluster has several meshes: " + name_all(*meshes),
                             "only one may intercept a node's pods: remove the others with `fsm "
                             "uninstall mesh --mesh-name …`");
        }
        return;
    }
    if (meshes->empty()) {
        findings.ok("mesh", "the cluster has no mesh yet");
    } else {
        findings.error("mesh", "the cluster has a mesh: " + name_all(*meshes),
                       "change it with `fsm mesh upgrade`, or remove it with `fsm uninstall mesh`");
    }
}

// A pod that asks for what the interceptor's does; the API server judges it and creates nothing.
std::string trial_pod(const ClusterView& cluster) {
    using nlohmann::json;
    const json container = {
        {"name", "interceptor"},
        {"image", "fsm-check"},
        {"securityContext",
         {{"capabilities", {{"add", json::array({"NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"})}}}}}};
    const json volume = {{"name", "bpffs"}, {"hostPath", {{"path", "/sys/fs/bpf"}}}};
    const json pod = {
        {"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata", {{"name", "fsm-check"}, {"namespace", cluster.settings.fsm_namespace}}},
        {"spec",
         {{"hostNetwork", true},
          {"hostPID", true},
          {"containers", json::array({container})},
          {"volumes", json::array({volume})}}}};
    return pod.dump();
}

void check_admission(const ClusterView& cluster, Findings& findings) {
    const auto& name = cluster.settings.fsm_namespace;
    const auto found = cluster.kubectl.find("namespace", name);
    if (!found) {
        findings.warning("pod-security", found.error().message(),
                         "you need the right to get namespaces");
        return;
    }
    if (found->is_null()) {
        findings.ok("pod-security",
                    "`fsm install` creates namespace " + name + " with the label that it needs");
        return;
    }
    const auto level = metadata_entry(*found, "labels", kEnforce);
    if (!level.empty() && level != "privileged") {
        findings.error(
            "pod-security",
            "namespace " + name + " enforces pod security level " + level +
                ", which forbids the host's network and paths",
            "kubectl label --overwrite namespace " + name + " " + kEnforce + "=privileged");
        return;
    }
    const auto tried = cluster.kubectl.run(
        {"create", "--dry-run=server", "--filename", "-", "--request-timeout=30s"},
        trial_pod(cluster));
    if (tried) {
        findings.ok("pod-security", "namespace " + name + " admits a pod like the interceptor's");
    } else if (tried.error().message().find("cannot create resource") != std::string::npos) {
        findings.warning("pod-security",
                         "it was not tried: you may not create pods in namespace " + name,
                         "ask for `kubectl create --dry-run=server` there");
    } else {
        findings.error("pod-security",
                       "namespace " + name +
                           " refuses a pod like the interceptor's: " + tried.error().message(),
                       "exempt the namespace from that policy");
    }
}

}  // namespace

std::optional<std::pair<int, int>> leading_version(const std::string& text) {
    std::pair<int, int> version{};
    const char* last = text.data() + text.size();
    const char* first = text.data() + (text.rfind('v', 0) == 0 ? 1 : 0);
    const auto [dot, failed] = std::from_chars(first, last, version.first);
    if (failed != std::errc() || dot == last || *dot != '.') {
        return std::nullopt;
    }
    const auto [end, also_failed] = std::from_chars(dot + 1, last, version.second);
    return also_failed == std::errc() ? std::optional(version) : std::nullopt;
}

std::vector<Finding> check_api(const ClusterView& cluster) {
    Findings findings("cluster");
    check_versions(cluster, findings);
    check_rights(cluster, findings);
    check_other_meshes(cluster, findings);
    check_admission(cluster, findings);
    return findings.take();
}

}  // namespace fsm::cli
