// fsm namespace add, remove, ignore, list: which namespaces a mesh watches, as labels and
// annotations of the namespaces.
#pragma once

#include <string>
#include <vector>

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

enum class SidecarInjection { enabled, disabled };

// The mesh must be there, and no namespace may be one that is ignored. Those before the first that
// fails have been added.
Result<void> add_namespaces(const Settings& settings, const std::vector<std::string>& names,
                            SidecarInjection injection);
// Clears every label and annotation that the other commands, or FSM, set. A namespace of another
// mesh is an error.
Result<void> remove_namespace(const Settings& settings, const std::string& name);
Result<void> ignore_namespaces(const Settings& settings, const std::vector<std::string>& names);
// Those of one mesh; with an empty name those of all.
Result<void> list_namespaces(const Settings& settings, const std::string& mesh_name);

}  // namespace fsm::cli
