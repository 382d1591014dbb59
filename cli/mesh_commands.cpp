#include "cli/mesh_commands.h"

#include <iostream>
#include <string_view>

#include "cli/kubectl.h"
#include "cli/mesh.h"
#include "common/table.h"
#include "common/version.h"

namespace fsm::cli {

Result<void> list_meshes(const Settings& settings) {
    FSM_ASSIGN(const auto meshes, find_meshes(Kubectl(settings)));
    if (meshes.empty()) {
        std::cout << "the cluster has no mesh; install one with `fsm install`\n";
        return {};
    }
    std::vector<std::vector<std::string>> rows = {
        {"MESH", "NAMESPACE", "VERSION", "MODE", "PROFILE", "NODES READY"}};
    for (const auto& mesh : meshes) {
        rows.push_back({mesh.name, mesh.mesh_namespace, mesh.version, mesh.mode, mesh.profile,
                        std::to_string(mesh.ready_nodes) + "/" + std::to_string(mesh.nodes)});
    }
    std::cout << format_table(rows);
    return {};
}

Result<void> print_version(const Settings& settings, VersionScope scope) {
    std::cout << "fsm " << kVersion << "\n";
    if (scope == VersionScope::program) {
        return {};
    }
    const auto meshes = find_meshes(Kubectl(settings));
    if (!meshes) {
        std::cout << "meshes: unknown: " << meshes.error().message() << "\n";
        return {};
    }
    for (const auto& mesh : *meshes) {
        std::cout << "mesh " << mesh.name << " in " << mesh.mesh_namespace << " " << mesh.version
                  << "\n";
    }
    return {};
}

Result<void> print_environment(const Settings& settings) {
    for (const auto& [name, value] : describe(settings)) {
        std::cout << name << "=\"" << value << "\"\n";
    }
    return {};
}

}  // namespace fsm::cli
