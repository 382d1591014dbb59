#include "cli/install_command.h"

#include <algorithm>
#include <iostream>

#include "cli/chart_archive.h"
#include "cli/kubectl.h"
#include "cli/mesh.h"
#include "cli/rollout.h"

namespace fsm::cli {

namespace {

// The interceptor needs capabilities and host mounts, which the stricter Pod Security levels
// forbid.
constexpr const char* kPodSecurityLabel = "pod-security.kubernetes.io/enforce=privileged";

// The flags' values come first, so that an explicit --set of the user overrides them.
ChartValues with_flags(const InstallOptions& options) {
    ChartValues values = options.values;
    values.assignments.insert(
        values.assignments.begin(),
        {"fsm.meshName=" + options.settings.mesh_name,
         std::string("fsm.enforceSingleMesh=") + (options.enforce_single_mesh ? "true" : "false")});
    return values;
}

Awaited awaited(const InstallOptions& options) {
    return {options.settings.mesh_name, options.settings.fsm_namespace, options.timeout};
}

Result<void> check_room(const Kubectl& kubectl, const InstallOptions& options) {
    FSM_ASSIGN(const auto meshes, find_meshes(kubectl));
    const auto& name = options.settings.mesh_name;
    if (const Mesh* same = mesh_named(meshes, name); same != nullptr) {
        return Error("mesh " + name + " is already installed in namespace " + same->mesh_namespace +
                     ": change it with `fsm mesh upgrade`, or remove it first with `fsm uninstall "
                     "mesh`");
    }
    const auto alone = std::find_if(meshes.begin(), meshes.end(),
                                    [](const Mesh& mesh) { return mesh.enforces_single; });
    if (alone != meshes.end()) {
        return Error("the cluster has mesh " + alone->name + " in namespace " +
                     alone->mesh_namespace +
                     ", which was installed with --enforce-single-mesh: remove it "
                     "first with `fsm uninstall mesh`");
    }
    if (!meshes.empty() && options.enforce_single_mesh) {
        return Error(
            "mesh " + name +
            " cannot be installed with --enforce-single-mesh: the cluster has other meshes (" +
            name_all(meshes) + "): remove them, or pass --enforce-single-mesh=false");
    }
    return {};
}

// An interrupted installation leaves a release, possibly without a DaemonSet.
Result<void> check_release(const Helm& helm, const Settings& settings) {
    FSM_ASSIGN(const bool there, helm.has_release(settings.mesh_name));
    if (there) {
        return Error("namespace " + settings.fsm_namespace + " has a release " +
                     settings.mesh_name +
                     " without an interceptor, left by an interrupted installation: remove it "
                     "first with `fsm uninstall mesh`");
    }
    return {};
}

// Returns true if the namespace did not exist before.
Result<bool> ensure_namespace(const Kubectl& kubectl, const std::string& name) {
    FSM_ASSIGN(const auto found, kubectl.find("namespace", name));
    if (!found.is_null()) {
        return false;
    }
    FSM_TRY(kubectl.run({"create", "namespace", name}));
    FSM_TRY(kubectl.run({"label", "namespace", name, kPodSecurityLabel}));
    return true;
}

void report_undo(const Result<void>& outcome, const char* what) {
    if (!outcome) {
        std::cerr << "fsm: undo failed: " << what << ": " << outcome.error().message() << "\n";
    }
}

void undo_install(const Helm& helm, const Kubectl& kubectl, const InstallOptions& options,
                  bool remove_namespace) {
    std::cout << "undoing the installation (--atomic)\n" << std::flush;
    const auto there = helm.has_release(options.settings.mesh_name);
    if (!there || *there) {
        report_undo(helm.uninstall(options.settings.mesh_name), "uninstall the release");
        report_undo(wait_for_removal(kubectl, awaited(options)), "remove the interceptors");
    }
    if (remove_namespace) {
        const auto gone = kubectl.run({"delete", "namespace", options.settings.fsm_namespace});
        report_undo(gone ? Result<void>() : Result<void>(gone.error()), "remove the namespace");
    }
}

void undo_upgrade(const Helm& helm, const Kubectl& kubectl, const InstallOptions& options) {
    std::cout << "rolling back to the previous revision (--atomic)\n" << std::flush;
    report_undo(helm.roll_back(options.settings.mesh_name), "roll the release back");
    report_undo(wait_for_rollout(kubectl, awaited(options)), "wait for the interceptors");
}

}  // namespace

Result<void> install(const InstallOptions& options) {
    const auto& settings = options.settings;
    FSM_ASSIGN(const auto helm, Helm::find(settings));
    FSM_ASSIGN(const auto chart, ChartLocation::open(options.chart_path));
    const Kubectl kubectl(settings);
    FSM_TRY(check_room(kubectl, options));
    FSM_TRY(check_release(helm, settings));
    // Render first: the chart's own errors are found before the cluster is changed.
    FSM_TRY(helm.render(settings.mesh_name, chart.path(), with_flags(options)));
    FSM_ASSIGN(const bool new_namespace, ensure_namespace(kubectl, settings.fsm_namespace));

    std::cout << "installing mesh " << settings.mesh_name << " in namespace "
              << settings.fsm_namespace << "\n"
              << std::flush;
    auto outcome = helm.install(settings.mesh_name, chart.path(), with_flags(options));
    if (outcome) {
        outcome = wait_for_rollout(kubectl, awaited(options));
    }
    if (!outcome) {
        if (options.on_failure == OnFailure::undo) {
            undo_install(helm, kubectl, options, new_namespace);
        }
        return std::move(outcome.error()).within("install mesh " + settings.mesh_name);
    }
    std::cout << "mesh " << settings.mesh_name << " is installed\n";
    return {};
}

Result<void> print_manifests(const InstallOptions& options) {
    FSM_ASSIGN(const auto helm, Helm::find(options.settings));
    FSM_ASSIGN(const auto chart, ChartLocation::open(options.chart_path));
    FSM_ASSIGN(const auto text,
               helm.render(options.settings.mesh_name, chart.path(), with_flags(options)));
    std::cout << text;
    return {};
}

Result<void> upgrade(const InstallOptions& options) {
    const auto& settings = options.settings;
    FSM_ASSIGN(const auto helm, Helm::find(settings));
    FSM_ASSIGN(const auto chart, ChartLocation::open(options.chart_path));
    const Kubectl kubectl(settings);
    FSM_ASSIGN(const bool there, helm.has_release(settings.mesh_name));
    if (!there) {
        FSM_ASSIGN(const auto meshes, find_meshes(kubectl));
        return Error("upgrade mesh " + settings.mesh_name + ": namespace " +
                     settings.fsm_namespace + " has no such mesh (meshes in the cluster: " +
                     name_all(meshes) + "); see --mesh-name and --fsm-namespace");
    }
    std::cout << "upgrading mesh " << settings.mesh_name
              << "; the data path stays in the kernel during the upgrade\n"
              << std::flush;
    const auto upgraded = helm.upgrade(settings.mesh_name, chart.path(), options.values);
    if (!upgraded) {
        return Error("upgrade mesh " + settings.mesh_name + ": " + upgraded.error().message());
    }
    auto outcome = wait_for_rollout(kubectl, awaited(options));
    if (!outcome) {
        if (options.on_failure == OnFailure::undo) {
            undo_upgrade(helm, kubectl, options);
        }
        return std::move(outcome.error()).within("upgrade mesh " + settings.mesh_name);
    }
    std::cout << "mesh " << settings.mesh_name << " is upgraded\n";
    return {};
}

}  // namespace fsm::cli
