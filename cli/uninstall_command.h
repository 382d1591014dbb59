// fsm uninstall mesh.
#pragma once

#include <chrono>

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

// How far the removal goes beyond the release itself.
struct UninstallOptions {
    Settings settings;
    std::chrono::seconds timeout{std::chrono::minutes(5)};
    // Without a question, and without a complaint when the mesh is not there.
    bool force = false;
    // Objects without a namespace too, when a release that is lost has left them.
    bool cluster_wide_resources = false;
    bool delete_namespace = false;
};

// Removes the release and waits until every interceptor has taken itself off its node.
Result<void> uninstall_mesh(const UninstallOptions& options);

}  // namespace fsm::cli
