// fsm install and fsm mesh upgrade, which share most of their flags.
#pragma once

#include <chrono>
#include <string>

#include "cli/helm.h"
#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

// What happens to a mesh that does not become ready: it stays for inspection, or the change is
// undone.
enum class OnFailure { keep, undo };

struct InstallOptions {
    Settings settings;       // including mesh name and namespace
    std::string chart_path;  // empty: the embedded chart
    ChartValues values;
    std::chrono::seconds timeout{std::chrono::minutes(5)};
    OnFailure on_failure = OnFailure::keep;
    bool enforce_single_mesh = true;
};

// Creates the namespace if it is missing, installs the release and waits until the interceptor is
// ready on every node. Fails before changing anything if a mesh of that name exists, or a mesh that
// excludes others.
Result<void> install(const InstallOptions& options);
// Prints the manifests; does not contact a cluster.
Result<void> print_manifests(const InstallOptions& options);
// Upgrades an existing mesh; `undo` rolls back to the previous revision.
Result<void> upgrade(const InstallOptions& options);

}  // namespace fsm::cli
