// Daemon: creates the parts of the interceptor and runs them until a signal.
#pragma once

#include "common/result.h"
#include "interceptor/command_line.h"

namespace fsm {

// Blocks until SIGTERM or SIGINT, which the caller has blocked in every thread. The data path stays
// in the kernel, unless the interceptor's DaemonSet was removed from the cluster: then everything
// is removed, as by uninstall. An error: it could not start, or not remove everything.
Result<void> run_daemon(const CommandLine& line);

}  // namespace fsm
