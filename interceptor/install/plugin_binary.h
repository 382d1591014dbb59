// The plugin's binary in the runtime's plugin directory.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

// Copies `source` to <directory>/fsm-cni (mode 0755) by a rename: a runtime runs the old binary or
// the new one. An equal file is not written. Returns true if it was copied.
Result<bool> install_plugin(const std::string& source, const std::string& directory);

// Removes the binary; succeeds if it does not exist.
Result<void> remove_plugin(const std::string& directory);

}  // namespace fsm
