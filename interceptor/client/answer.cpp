#include "interceptor/client/answer.h"

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string_view>

#include "common/http/unix_client.h"
#include "interceptor/client/exit_status.h"

namespace fsm {

namespace {

constexpr std::chrono::seconds kTimeLimit{10};
constexpr std::size_t kResponseLimit = std::size_t{256} << 20;
constexpr int kSuccess = 200;

// What to do about a socket that does not answer.
std::string remedy_of(const Error& failure) {
    if (exit_status_of(failure) == ExitStatus::not_running) {
        return ". No interceptor runs on this node: start it as root with `fsm-interceptor`, or in "
               "a cluster with `fsm install`; one that has another socket is found by --socket or "
               "--config";
    }
    if (failure.errno_value() == EACCES || failure.errno_value() == EPERM) {
        return ". The socket is root's: run this as root";
    }
    if (failure.errno_value() == ETIMEDOUT) {
        return ". An interceptor is there and does not answer: its log says what it does";
    }
    return {};
}

// {"code","msg","details"}, as one sentence.
std::string reason_of(const std::string& body) {
    const auto error = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (!error.is_object() || !error.contains("msg")) {
        return body;
    }
    const auto text = [&](const char* key) {
        const auto member = error.find(key);
        return member != error.end() && member->is_string() ? member->get<std::string>() : "";
    };
    return text("msg") + ": " + text("details");
}

Result<std::string> exchange(const std::string& socket, http::Request request) {
    request.agent = "fsm-interceptor";
    request.max_response = kResponseLimit;
    auto response = http::exchange(socket, request, std::chrono::steady_clock::now() + kTimeLimit);
    if (!response) {
        const Error& failure = response.error();
        return Error(
            "ask the interceptor on " + socket + ": " + failure.message() + remedy_of(failure),
            failure.errno_value());
    }
    if (response->status != kSuccess) {
        return Error("the interceptor on " + socket + " says " + reason_of(response->body));
    }
    return std::move(response->body);
}

}  // namespace

Result<std::string> ask_interceptor(const std::string& socket, const std::string& path) {
    http::Request request;
    request.method = "GET";
    request.target = path;
    return exchange(socket, request);
}

Result<std::string> tell_interceptor(const std::string& socket, const std::string& path,
                                     const std::string& body) {
    http::Request request;
    request.method = "POST";
    request.target = path;
    request.body = body;
    return exchange(socket, request);
}

}  // namespace fsm
