// One HTTP/1.1 exchange over a Unix socket, within a deadline for the whole exchange.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "cni-plugin/http_response_parser.h"
#include "common/result.h"

namespace fsm::plugin {

using Deadline = std::chrono::steady_clock::time_point;

struct HttpRequest {
    std::string_view method;
    std::string_view target;
    std::string_view body;  // JSON; empty: the request has no body
};

// Connects, sends, and receives the complete response. The path must fit into sockaddr_un. Errors
// are those of connect(2) (ENOENT, ECONNREFUSED, EACCES, ...), ETIMEDOUT if the deadline has passed
// at any step, ECONNRESET, and those of HttpResponseParser. The message names the step that failed.
Result<HttpResponse> exchange_http(const std::string& socket_path, const HttpRequest& request,
                                   Deadline deadline);

}  // namespace fsm::plugin
