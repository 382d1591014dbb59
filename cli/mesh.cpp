#include "cli/mesh.h"

#include <algorithm>

namespace fsm::cli {

Result<std::vector<Mesh>> find_meshes(const Kubectl& kubectl) {
    auto found = kubectl.list(
        {"daemonsets.apps", "--all-namespaces", "--selector", std::string("app=") + kInterceptor});
    if (!found) {
        return std::move(found.error()).within("list the meshes of the cluster");
    }
    std::vector<Mesh> meshes;
    for (const auto& set : *found) {
        Mesh mesh;
        mesh.name = metadata_entry(set, "labels", "meshName");
        mesh.mesh_namespace = text_at(set, "metadata/namespace");
        mesh.version = metadata_entry(set, "labels", "app.kubernetes.io/version");
        mesh.mode = metadata_entry(set, "annotations", "fsm.flomesh.io/traffic-interception-mode");
        mesh.profile = metadata_entry(set, "annotations", "fsm.flomesh.io/mesh-profile");
        mesh.enforces_single = metadata_entry(set, "labels", "enforceSingleMesh") == "true";
        mesh.nodes = number_at(set, "status/desiredNumberScheduled");
        mesh.ready_nodes = number_at(set, "status/numberReady");
        meshes.push_back(std::move(mesh));
    }
    return meshes;
}

const Mesh* mesh_named(const std::vector<Mesh>& meshes, const std::string& name) {
    const auto found = std::find_if(meshes.begin(), meshes.end(),
                                    [&](const Mesh& mesh) { return mesh.name == name; });
    return found == meshes.end() ? nullptr : &*found;
}

Result<Mesh> find_mesh(const Kubectl& kubectl, const std::string& name) {
    FSM_ASSIGN(const auto meshes, find_meshes(kubectl));
    const Mesh* mesh = mesh_named(meshes, name);
    if (mesh == nullptr) {
        return Error("the cluster has no mesh " + name + " (meshes: " + name_all(meshes) +
                     "): name another one with --mesh-name, or install it with `fsm install`");
    }
    return *mesh;
}

std::string name_all(const std::vector<Mesh>& meshes) {
    std::string text;
    for (const auto& mesh : meshes) {
        text += (text.empty() ? "" : ", ") + mesh.name + " in " + mesh.mesh_namespace;
    }
    return text.empty() ? "none" : text;
}

std::string interceptor_selector(const std::string& mesh_name) {
    return std::string("app=") + kInterceptor + ",meshName=" + mesh_name;
}

}  // namespace fsm::cli
