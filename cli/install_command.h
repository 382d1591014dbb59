// fsm install, and fsm mesh upgrade, which share most of their flags.
#pragma once

#include <chrono>
#include <string>

#include "cli/helm.h"
#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

// What becomes of a mesh that does not get ready: it stays for a look at it, or everything is
// undone.
enum class OnFailure { keep, undo };

struct InstallOptions {
    Settings settings;       // mesh name and namespace included
    std::string chart_path;  // empty: the embedded chart
    ChartValues values;
    std::chrono::seconds timeout{std::chrono::minutes(5)};
    OnFailure on_failure = OnFailure::keep;
    bool enforce_single_mesh = true;
};

// Makes the namespace if it is missing, installs the release and waits until every node has an
// interceptor that is ready. A mesh of that name, or one that wants to be alone: an error before
// anything is changed.
Result<void> install(const InstallOptions& options);
// Prints the manifests; asks no cluster.
Result<void> print_manifests(const InstallOptions& options);
// The same for a mesh that is there; `undo` goes back to the revision before.
Result<void> upgrade(const InstallOptions& options);

}  // namespace fsm::cli
