#include "cli/check_command.h"

#include <iostream>
#include <thread>

#include "cli/checks.h"
#include "cli/helm.h"

namespace fsm::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPause{2};
constexpr const char* kReach =
    "check --kubeconfig, --kube-context, the network, and `kubectl version`";

// Without it there is nothing to check.
Result<ClusterView> look_at(const CheckOptions& options) {
    const Kubectl kubectl(options.settings);
    FSM_ASSIGN(const auto version,
               kubectl.run({"version", "--output", "json", "--request-timeout=30s"}));
    FSM_ASSIGN(auto nodes, kubectl.list({"nodes"}));
    FSM_ASSIGN(auto daemonsets, kubectl.list({"daemonsets.apps", "--all-namespaces"}));
    ClusterView cluster{.kubectl = kubectl,
                        .settings = options.settings,
                        .meshes = find_meshes(kubectl),
                        .mesh = {},
                        .mode = options.mode.empty() ? "ebpf" : options.mode,
                        .profile = options.profile.empty() ? "fsm" : options.profile,
                        .version = nlohmann::json::parse(version, nullptr, false),
                        .nodes = std::move(nodes),
                        .daemonsets = std::move(daemonsets)};
    if (options.stage == Stage::before_installation) {
        return cluster;
    }
    if (!cluster.meshes) {
        return cluster.meshes.error();
    }
    const Mesh* mesh = mesh_named(*cluster.meshes, options.settings.mesh_name);
    if (mesh != nullptr) {
        cluster.mesh = *mesh;
        cluster.mode = mesh->mode;
        cluster.profile = mesh->profile;
    }
    return cluster;
}

void append(std::vector<Finding>& all, std::vector<Finding> more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
}

// `fsm install` needs it, and nothing else does.
std::vector<Finding> check_programs(const ClusterView& cluster) {
    Findings findings("cluster");
    const auto helm = Helm::find(cluster.settings);
    if (helm) {
        findings.ok("helm", "helm is there");
    } else if (cluster.mesh) {
        findings.warning("helm", helm.error().message(), "`fsm mesh upgrade` needs it");
    } else {
        findings.error("helm", helm.error().message(), "`fsm install` needs it");
    }
    return findings.take();
}

std::vector<Finding> check_once(const CheckOptions& options) {
    const auto cluster = look_at(options);
    if (!cluster) {
        Findings findings("cluster");
        findings.error("api-server", cluster.error().message(), kReach);
        return findings.take();
    }
    std::vector<Finding> all = check_api(*cluster);
    append(all, check_programs(*cluster));
    append(all, check_nodes(*cluster));
    const auto neighbours = check_neighbours(*cluster);
    append(all, neighbours);
    if (cluster->mesh) {
        append(all, check_interceptors(*cluster, neighbours));
    }
    return all;
}

std::string counted(std::size_t number, const char* word) {
    return std::to_string(number) + " " + word + (number == 1 ? "" : "s");
}

}  // namespace

Result<void> check_cluster(const CheckOptions& options) {
    const auto deadline = Clock::now() + options.wait;
    auto findings = check_once(options);
    while (count(findings, Grade::error) > 0 && Clock::now() + kPause < deadline) {
        std::this_thread::sleep_for(kPause);
        findings = check_once(options);
    }
    const auto errors = count(findings, Grade::error);
    const auto warnings = count(findings, Grade::warning);
    if (options.format == ReportFormat::json) {
        std::cout << to_json(findings);
    } else {
        std::cout << to_text(findings) << "\n"
                  << counted(errors, "error") << ", " << counted(warnings, "warning") << ", "
                  << count(findings, Grade::ok) << " ok\n";
    }
    if (errors == 0) {
        return {};
    }
    return Error("the check found " + counted(errors, "error") +
                 (options.wait.count() > 0 ? " after the time of --wait" : ""));
}

std::string check_report(const CheckOptions& options) {
    return to_json(check_once(options));
}

}  // namespace fsm::cli
