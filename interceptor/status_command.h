// What the commands ask the running interceptor: `status`, `pods` and `counters` for people,
// `healthz` and `readyz` for the probes of a container.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

// The text to print. An error when no interceptor answers on the socket.
Result<std::string> describe_running(const std::string& socket);

// The same: a table of the node's pods, one line an attachment; and the data path's counters, one a
// line.
Result<std::string> describe_pods(const std::string& socket);
Result<std::string> describe_counters(const std::string& socket);

// Whether it answers GET `path` ("/healthz", "/readyz") with success; the error has its reason.
Result<void> probe_running(const std::string& socket, const std::string& path);

}  // namespace fsm
