// fsm namespace add, remove, ignore, list: the namespaces that a mesh watches, as labels and
// annotations of the namespaces.
#pragma once

#include <string>
#include <vector>

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

enum class SidecarInjection { enabled, disabled };

// The mesh must exist, and none of the namespaces may be ignored. Namespaces before the first
// failure stay added.
Result<void> add_namespaces(const Settings& settings, const std::vector<std::string>& names,
                            SidecarInjection injection);
// Removes every label and annotation that the other commands, or FSM, set. Fails for a namespace of
// another mesh.
Result<void> remove_namespace(const Settings& settings, const std::string& name);
Result<void> ignore_namespaces(const Settings& settings, const std::vector<std::string>& names);
// Lists the namespaces of one mesh, or of all meshes if the name is empty.
Result<void> list_namespaces(const Settings& settings, const std::string& mesh_name);

}  // namespace fsm::cli
