// One HTTP/1.1 exchange over a Unix socket, with one deadline for all of it: the client of the
// interceptor's API, for the CNI plugin and for the interceptor's own commands.
//
// It does not use cpp-httplib, because the plugin is a static program that the runtime starts for
// each verb. Debian has the library only as a shared object, which brings OpenSSL and brotli: a
// program that merely links it takes 5 ms of processor time and 356 page faults to start, against
// 0.8 ms and 32 of the plugin (perf stat -r 200, CNI_COMMAND=VERSION). Its client also has no Unix
// sockets and no deadline for a whole exchange. Requests to the Kubernetes API use cpp-httplib.
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
    std::string_view agent = "fsm";           // of the header User-Agent
    std::size_t max_response = kMaxResponse;  // bytes
};

// Connects, sends, and receives the complete response. The path must fit into sockaddr_un. Errors
// are those of connect(2) (ENOENT, ECONNREFUSED, EACCES, ...), ETIMEDOUT if the deadline has passed
// at any step, ECONNRESET, and those of ResponseParser. The message names the step that failed.
Result<Response> exchange(const std::string& socket_path, const Request& request,
                          Deadline deadline);

}  // namespace fsm::http
