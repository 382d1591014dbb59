// fsm uninstall mesh.
#pragma once

#include <chrono>

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

// What to remove besides the release.
struct UninstallOptions {
    Settings settings;
    std::chrono::seconds timeout{std::chrono::minutes(5)};
    // Do not ask, and succeed if the mesh does not exist.
    bool force = false;
    // Also cluster-scoped objects that a lost release has left.
    bool cluster_wide_resources = false;
    bool delete_namespace = false;
};

// Removes the release and waits until every interceptor has cleaned up its node.
Result<void> uninstall_mesh(const UninstallOptions& options);

}  // namespace fsm::cli
