// The meshes of a cluster: one DaemonSet of the chart each.
#pragma once

#include <string>
#include <vector>

#include "cli/kubectl.h"
#include "common/result.h"

namespace fsm::cli {

// The name of the DaemonSet, and the value of its pods' label `app`, in every release of the chart.
inline constexpr const char* kInterceptor = "fsm-interceptor";

struct Mesh {
    std::string name;
    std::string mesh_namespace;
    std::string version;
    std::string mode;
    std::string profile;
    bool enforces_single = false;
    long long nodes = 0;
    long long ready_nodes = 0;
};

Result<std::vector<Mesh>> find_meshes(const Kubectl& kubectl);

// Null: there is none of that name.
const Mesh* mesh_named(const std::vector<Mesh>& meshes, const std::string& name);

// An error that names the cluster's meshes if it has none of that name.
Result<Mesh> find_mesh(const Kubectl& kubectl, const std::string& name);

// For messages: "fsm in fsm-system, other in elsewhere", or "none".
std::string name_all(const std::vector<Mesh>& meshes);

// The label selector of a mesh's interceptors.
std::string interceptor_selector(const std::string& mesh_name);

}  // namespace fsm::cli
