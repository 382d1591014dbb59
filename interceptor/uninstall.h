// Removes everything that an interceptor leaves behind.
#pragma once

#include "common/result.h"
#include "interceptor/config.h"

namespace fsm {

// Refuses while an interceptor runs: it would make things again. Goes on after a failure; the error
// says everything that is left.
Result<void> uninstall(const Config& config);

// Takes the entry out of the runtime's chain, and then the plugin's binary: pods start without us.
// The data path stays, so that pods that run stay intercepted.
Result<void> leave_node(const Config& config);

}  // namespace fsm
