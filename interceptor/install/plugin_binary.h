// The plugin's binary in the directory where container runtimes look for plugins.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

// Copies `source` to <directory>/fsm-cni (mode 0755), which is replaced by a rename: a runtime runs
// the old one or the new one. What is there already is not written. True: it was copied.
Result<bool> install_plugin(const std::string& source, const std::string& directory);

// Succeeds when there is none.
Result<void> remove_plugin(const std::string& directory);

}  // namespace fsm
