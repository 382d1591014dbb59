// One HTTP/1.1 exchange over a Unix socket, within a deadline that covers all of it.
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

// Connects, sends, and receives the whole response. The path must fit into sockaddr_un. Errors are
// those of connect(2) (ENOENT, ECONNREFUSED, EACCES, ...), ETIMEDOUT when the deadline has passed
// wherever the exchange stood then, ECONNRESET, and those of HttpResponseParser. The message says
// which step failed.
Result<HttpResponse> exchange_http(const std::string& socket_path, const HttpRequest& request,
                                   Deadline deadline);

}  // namespace fsm::plugin
