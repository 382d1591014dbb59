#include "cli/uninstall_command.h"

#include <iostream>
#include <string>

#include "cli/helm.h"
#include "cli/kubectl.h"
#include "cli/mesh.h"
#include "cli/rollout.h"

namespace fsm::cli {

namespace {

Result<void> ask(const UninstallOptions& options) {
    if (options.force) {
        return {};
    }
    std::cout << "Uninstall mesh " << options.settings.mesh_name << " from namespace "
              << options.settings.fsm_namespace << "? [y/n] " << std::flush;
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "y" || answer == "Y" || answer == "yes") {
        return {};
    }
    return Error("uninstall mesh " + options.settings.mesh_name +
                 ": not confirmed, nothing was changed; --force skips the question");
}

Result<void> remove_release(const Helm& helm, const Kubectl& kubectl,
                            const UninstallOptions& options) {
    const auto& settings = options.settings;
    FSM_TRY(ask(options));
    auto outcome = helm.uninstall(settings.mesh_name);
    if (outcome) {
        outcome = wait_for_removal(kubectl,
                                   {settings.mesh_name, settings.fsm_namespace, options.timeout});
    }
    if (!outcome) {
        return std::move(outcome.error()).within("uninstall mesh " + settings.mesh_name);
    }
    std::cout << "mesh " << settings.mesh_name << " is uninstalled\n"
              << "Accelerated connections continue by TCP. The kernel of a node keeps the program "
                 "fsm_msg and its maps until the last of them is closed.\n";
    return {};
}

Result<void> report_absence(const Kubectl& kubectl, const UninstallOptions& options) {
    const auto& settings = options.settings;
    FSM_ASSIGN(const auto meshes, find_meshes(kubectl));
    const auto text = "namespace " + settings.fsm_namespace + " has no mesh " + settings.mesh_name +
                      " (meshes in the cluster: " + name_all(meshes) + ")";
    if (!options.force) {
        return Error("uninstall: " + text + "; see --mesh-name and --fsm-namespace");
    }
    std::cout << text << "\n";
    return {};
}

}  // namespace

Result<void> uninstall_mesh(const UninstallOptions& options) {
    const auto& settings = options.settings;
    FSM_ASSIGN(const auto helm, Helm::find(settings));
    const Kubectl kubectl(settings);
    FSM_ASSIGN(const bool there, helm.has_release(settings.mesh_name));
    if (there) {
        FSM_TRY(remove_release(helm, kubectl, options));
    } else {
        FSM_TRY(report_absence(kubectl, options));
    }
    if (options.cluster_wide_resources) {
        FSM_ASSIGN(const auto removed,
                   kubectl.run({"delete", "clusterrolebindings,clusterroles", "--selector",
                                interceptor_selector(settings.mesh_name), "--ignore-not-found"}));
        std::cout << removed;
    }
    if (options.delete_namespace) {
        FSM_ASSIGN(const auto removed, kubectl.run({"delete", "namespace", settings.fsm_namespace,
                                                    "--ignore-not-found"}));
        std::cout << removed;
    }
    return {};
}

}  // namespace fsm::cli
