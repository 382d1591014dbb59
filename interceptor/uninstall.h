// Removes everything that an interceptor has created.
#pragma once

#include "common/result.h"
#include "interceptor/config.h"

namespace fsm {

// Refuses while an interceptor runs, because it would create everything again. Continues after a
// failure; the error lists everything that is left.
Result<void> uninstall(const Config& config);

// Removes the chain entry, and then the plugin's binary: new pods start without interception. The
// data path stays, so that running pods stay intercepted.
Result<void> leave_node(const Config& config);

}  // namespace fsm
