// What the checks look at, read from the API server once.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/kubectl.h"
#include "cli/mesh.h"
#include "common/result.h"

namespace fsm::cli {

struct ClusterView {
    Kubectl kubectl;
    Settings settings;
    Result<std::vector<Mesh>> meshes;
    std::optional<Mesh> mesh;  // nothing: before its installation
    std::string mode;          // the mesh's, or that of the installation to come
    std::string profile;
    nlohmann::json version;  // kubectl's own and the API server's
    std::vector<nlohmann::json> nodes;
    std::vector<nlohmann::json> daemonsets;  // of all namespaces
};

// "6.1.0-13-amd64" → {6, 1}, "v1.34.0" → {1, 34}; nothing if there are no two numbers.
std::optional<std::pair<int, int>> leading_version(const std::string& text);

}  // namespace fsm::cli
