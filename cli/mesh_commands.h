// fsm mesh list, fsm version, fsm env: what only looks.
#pragma once

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

Result<void> list_meshes(const Settings& settings);

enum class VersionScope { program, cluster_too };
// The program's version; with `cluster_too` that of each mesh. A cluster that does not answer is
// said, and is no failure.
Result<void> print_version(const Settings& settings, VersionScope scope);

Result<void> print_environment(const Settings& settings);

}  // namespace fsm::cli
