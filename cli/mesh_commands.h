// fsm mesh list, fsm version, fsm env: the read-only commands.
#pragma once

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

Result<void> list_meshes(const Settings& settings);

enum class VersionScope { program, cluster_too };
// Prints the program's version and, with `cluster_too`, that of each mesh. If the cluster does not
// answer, that is printed, too, and is not a failure.
Result<void> print_version(const Settings& settings, VersionScope scope);

Result<void> print_environment(const Settings& settings);

}  // namespace fsm::cli
