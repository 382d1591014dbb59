#include "cni-plugin/interceptor_client.h"

#include <cerrno>

namespace fsm::plugin {

namespace {

constexpr int kOk = 200;
constexpr std::string_view kAgent = "fsm-cni";
constexpr int kServiceUnavailable = 503;

std::string trim(const std::string& text) {
    constexpr char kWhiteSpace[] = " \t\r\n";
    const auto first = text.find_first_not_of(kWhiteSpace);
    if (first == std::string::npos) {
        return "";
    }
    return text.substr(first, text.find_last_not_of(kWhiteSpace) - first + 1);
}

// Texts of other programs end up in the events of a pod.
std::string shorten(const std::string& text) {
    constexpr std::size_t kLongest = 1024;
    return text.size() <= kLongest ? text : text.substr(0, kLongest) + " ...";
}

std::string what_to_do(int errno_value) {
    switch (errno_value) {
        case EACCES:
        case EPERM:
            return "is fsm-interceptor running? Only root may use its socket";
        case ETIMEDOUT:
            return "is fsm-interceptor running, or too busy? The time limit is timeout_ms of the "
                   "network configuration";
        case EPROTO:
        case EMSGSIZE:
            return "is fsm-interceptor running, or does another program listen there? See the "
                   "setting `socket` of the network configuration";
        default:
            return "is fsm-interceptor running?";
    }
}

bool is_foreign_server(const Error& error) {
    return error.errno_value() == EPROTO || error.errno_value() == EMSGSIZE;
}

std::string describe(const http::Request& request, const http::Response& response) {
    return "fsm-interceptor answered " + std::to_string(response.status) + " to " +
           std::string(request.method) + " " + std::string(request.target);
}

cni::Error to_cni_error(const http::Request& request, const http::Response& response) {
    if (auto error = cni::parse_error_body(response.body)) {
        return std::move(*error);
    }
    const auto code = response.status == kServiceUnavailable ? cni::ErrorCode::try_again_later
                                                             : cni::ErrorCode::enrolment_failed;
    const std::string text = shorten(trim(response.body));
    return {code, text.empty() ? "fsm-interceptor gave no reason" : text,
            describe(request, response)};
}

}  // namespace

cni::Error InterceptorClient::no_answer(const http::Request& request, const Error& error) const {
    return {is_foreign_server(error) ? cni::ErrorCode::io_failure : cni::ErrorCode::try_again_later,
            "no answer from fsm-interceptor at " + socket_path_ + " (" + error.message() +
                "): " + what_to_do(error.errno_value()),
            "asked for " + std::string(request.method) + " " + std::string(request.target)};
}

std::optional<cni::Error> InterceptorClient::post_pod(std::string_view target,
                                                      const cni::Request& pod) const {
    const std::string body = cni::to_body(pod);
    const http::Request request{"POST", target, body, kAgent};
    const auto response = http::exchange(socket_path_, request, deadline_);
    if (!response) {
        return no_answer(request, response.error());
    }
    if (response->status != kOk) {
        return to_cni_error(request, *response);
    }
    // Some servers answer every request with 200. A pod must not start without its sidecar because
    // of that.
    if (trim(response->body) != "ok") {
        return no_answer(request, Error("its body is not \"ok\"", EPROTO));
    }
    return std::nullopt;
}

std::optional<cni::Error> InterceptorClient::create_pod(const cni::Request& request) const {
    return post_pod(cni::kCreateRoute, request);
}

std::optional<cni::Error> InterceptorClient::delete_pod(const cni::Request& request) const {
    return post_pod(cni::kDeleteRoute, request);
}

std::optional<cni::Error> InterceptorClient::check_pod(const cni::Request& request) const {
    return post_pod(cni::kCheckRoute, request);
}

std::optional<cni::Error> InterceptorClient::collect_garbage(const cni::Request& network) const {
    const std::string body = cni::to_body(network);
    const http::Request request{"POST", cni::kCollectRoute, body, kAgent};
    const auto response = http::exchange(socket_path_, request, deadline_);
    if (!response) {
        return no_answer(request, response.error());
    }
    if (response->status != kOk) {
        return to_cni_error(request, *response);
    }
    return std::nullopt;
}

std::optional<cni::Error> InterceptorClient::status() const {
    const http::Request request{"GET", cni::kStatusRoute, "", kAgent};
    const auto response = http::exchange(socket_path_, request, deadline_);
    if (!response) {
        // Running pods keep working without the interceptor: their data path is in the kernel.
        cni::Error error = no_answer(request, response.error());
        error.code = cni::ErrorCode::unavailable;
        return error;
    }
    if (response->status == kOk) {
        return std::nullopt;
    }
    cni::Error error = to_cni_error(request, *response);
    if (error.code != cni::ErrorCode::limited_connectivity) {
        error.code = cni::ErrorCode::unavailable;
    }
    return error;
}

}  // namespace fsm::plugin
