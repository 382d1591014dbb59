// A request to the running interceptor.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

// The body of a successful answer to GET `path`. The error has the interceptor's reason, or says
// how to start one if there is none.
Result<std::string> ask_interceptor(const std::string& socket, const std::string& path);

// The same for POST, with JSON.
Result<std::string> tell_interceptor(const std::string& socket, const std::string& path,
                                     const std::string& body);

}  // namespace fsm
