// Queries of the running interceptor: `status`, `pods` and `counters` for users, `healthz` and
// `readyz` for container probes.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

// The text to print. An error if no interceptor answers on the socket.
Result<std::string> describe_running(const std::string& socket);

// The same for the table of the node's pods, one line per attachment, and for the data path's
// counters, one per line.
Result<std::string> describe_pods(const std::string& socket);
Result<std::string> describe_counters(const std::string& socket);

// The answer to GET `path`, as it is.
Result<std::string> query(const std::string& socket, const std::string& path);

// Whether GET `path` ("/healthz", "/readyz") succeeds; the error has the interceptor's reason.
Result<void> probe_running(const std::string& socket, const std::string& path);

}  // namespace fsm
