#include "cli/namespace_commands.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/kubectl.h"
#include "cli/mesh.h"
#include "common/table.h"

namespace fsm::cli {

namespace {

constexpr const char* kMonitoredBy = "flomesh.io/monitored-by";
constexpr const char* kInjection = "flomesh.io/sidecar-injection";
constexpr const char* kIgnore = "flomesh.io/ignore";
constexpr const char* kMetrics = "flomesh.io/metrics";

using nlohmann::json;

Result<json> existing_namespace(const Kubectl& kubectl, const std::string& name) {
    FSM_ASSIGN(auto found, kubectl.find("namespace", name));
    if (found.is_null()) {
        return Error("the cluster has no namespace " + name);
    }
    return found;
}

Result<void> add_namespace(const Kubectl& kubectl, const std::string& mesh_name,
                           const std::string& name, const std::string& injection) {
    FSM_ASSIGN(const auto found, existing_namespace(kubectl, name));
    if (metadata_entry(found, "labels", kIgnore) == "true") {
        return Error("the namespace is labelled " + std::string(kIgnore) +
                     "=true: remove the label first with `fsm namespace remove " + name + "`");
    }
    const auto owner = metadata_entry(found, "labels", kMonitoredBy);
    if (!owner.empty() && owner != mesh_name) {
        return Error("the namespace belongs to mesh " + owner + ": `fsm namespace remove " + name +
                     " --mesh-name " + owner + "` first");
    }
    FSM_TRY(kubectl.patch(
        "namespace", name,
        {{"metadata",
          {{"labels", {{kMonitoredBy, mesh_name}}}, {"annotations", {{kInjection, injection}}}}}}));
    std::cout << "namespace " << name << " is in mesh " << mesh_name << ", sidecar injection "
              << injection << "\n";
    return {};
}

}  // namespace

Result<void> add_namespaces(const Settings& settings, const std::vector<std::string>& names,
                            SidecarInjection injection) {
    const Kubectl kubectl(settings);
    FSM_TRY(find_mesh(kubectl, settings.mesh_name));
    const std::string word = injection == SidecarInjection::enabled ? "enabled" : "disabled";
    for (const auto& name : names) {
        auto added = add_namespace(kubectl, settings.mesh_name, name, word);
        if (!added) {
            return std::move(added.error()).within("add namespace " + name);
        }
    }
    return {};
}

Result<void> remove_namespace(const Settings& settings, const std::string& name) {
    const Kubectl kubectl(settings);
    FSM_ASSIGN(const auto found, existing_namespace(kubectl, name));
    const auto owner = metadata_entry(found, "labels", kMonitoredBy);
    const bool ignored = metadata_entry(found, "labels", kIgnore) == "true";
    if (!owner.empty() && owner != settings.mesh_name) {
        return Error("remove namespace " + name + ": it belongs to mesh " + owner +
                     "; say --mesh-name " + owner);
    }
    if (owner.empty() && !ignored) {
        return Error("remove namespace " + name + ": it does not belong to a mesh");
    }
    FSM_TRY(kubectl.patch("namespace", name,
                          {{"metadata",
                            {{"labels", {{kMonitoredBy, nullptr}, {kIgnore, nullptr}}},
                             {"annotations", {{kInjection, nullptr}, {kMetrics, nullptr}}}}}}));
    std::cout << "namespace " << name << " is removed from its mesh\n";
    return {};
}

Result<void> ignore_namespaces(const Settings& settings, const std::vector<std::string>& names) {
    const Kubectl kubectl(settings);
    for (const auto& name : names) {
        FSM_TRY(existing_namespace(kubectl, name));
        FSM_TRY(
            kubectl.patch("namespace", name, {{"metadata", {{"labels", {{kIgnore, "true"}}}}}}));
        std::cout << "namespace " << name << " is ignored\n";
    }
    return {};
}

Result<void> list_namespaces(const Settings& settings, const std::string& mesh_name) {
    const std::string selector =
        mesh_name.empty() ? kMonitoredBy : std::string(kMonitoredBy) + "=" + mesh_name;
    FSM_ASSIGN(const auto found, Kubectl(settings).list({"namespaces", "--selector", selector}));
    if (found.empty()) {
        std::cout << "there is no namespace in "
                  << (mesh_name.empty() ? "a mesh" : "mesh " + mesh_name) << "\n";
        return {};
    }
    std::vector<std::vector<std::string>> rows = {{"NAMESPACE", "MESH", "SIDECAR-INJECTION"}};
    for (const auto& entry : found) {
        const auto injection = metadata_entry(entry, "annotations", kInjection);
        rows.push_back({text_at(entry, "metadata/name"),
                        metadata_entry(entry, "labels", kMonitoredBy),
                        injection.empty() ? "-" : injection});
    }
    std::cout << format_table(rows);
    return {};
}

}  // namespace fsm::cli
