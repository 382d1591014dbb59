// `fsm-interceptor status`: GET /v1/status of the running interceptor, for people.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

// The text to print. An error when no interceptor answers on the socket.
Result<std::string> describe_running(const std::string& socket);

}  // namespace fsm
