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

// For messages: "fsm in fsm-system, other in elsewhere", or "none".
std::string name_all(const std::vector<Mesh>& meshes);

// The label selector of a mesh's interceptors.
std::string interceptor_selector(const std::string& mesh_name);

}  // namespace fsm::cli
