// One HTTP/1.1 exchange over a Unix socket, within a deadline that covers all of it: the client of the
// interceptor's API, for the CNI plugin and the interceptor's own commands.
//
// It is no library's, because of the plugin: a static program that a runtime starts for each verb.
// cpp-httplib comes from Debian as a shared library with OpenSSL and brotli behind it; a program that
// does nothing but link it needs 5 ms of processor time and 356 page faults to start, where the plugin
// needs 0.75 ms and 31 (perf stat -r 200, CNI_COMMAND=VERSION). Its client has neither Unix sockets nor
// one deadline for a whole exchange, either. Requests to the Kubernetes API are cpp-httplib's.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "common/http/response_parser.h"
#include "common/result.h"

namespace fsm::http {

using Deadline = std::chrono::steady_clock::time_point;

struct Request {
    std::string_view method;
    std::string_view target;
    std::string_view body;                    // JSON; empty: the request has no body
    std::string_view agent = "fsm";           // who asks
    std::size_t max_response = kMaxResponse;  // bytes
};

// Connects, sends, and receives the whole response. The path must fit into sockaddr_un. Errors are
// those of connect(2) (ENOENT, ECONNREFUSED, EACCES, ...), ETIMEDOUT when the deadline has passed
// wherever the exchange stood then, ECONNRESET, and those of ResponseParser. The message says
// which step failed.
Result<Response> exchange(const std::string& socket_path, const Request& request,
                          Deadline deadline);

}  // namespace fsm::http
