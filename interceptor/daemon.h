// Daemon: puts the parts of the interceptor together and runs them until a signal.
#pragma once

#include "common/result.h"
#include "interceptor/command_line.h"

namespace fsm {

// Blocks until SIGTERM or SIGINT, which the caller has blocked in every thread. The data path stays
// in the kernel when this returns, unless the interceptor's DaemonSet is gone from the cluster:
// then it has removed everything, as uninstall does. An error: it could not start, or not remove.
Result<void> run_daemon(const CommandLine& line);

}  // namespace fsm
