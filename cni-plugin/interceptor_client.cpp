#include "cni-plugin/interceptor_client.h"

#include <cerrno>
#include <limits>
#include <nlohmann/json.hpp>

#include "cni-plugin/base64.h"

namespace fsm {

namespace {

using nlohmann::ordered_json;

constexpr int kOk = 200;
constexpr int kServiceUnavailable = 503;

std::string trim(const std::string& text) {
    constexpr char kWhiteSpace[] = " \t\r\n";
    const auto first = text.find_first_not_of(kWhiteSpace);
    if (first == std::string::npos) {
        return "";
    }
    return text.substr(first, text.find_last_not_of(kWhiteSpace) - first + 1);
}

// Texts that others wrote end up in the events of a pod.
std::string shorten(const std::string& text) {
    constexpr std::size_t kLongest = 1024;
    return text.size() <= kLongest ? text : text.substr(0, kLongest) + " ...";
}

std::string pod_body(const Environment& environment, std::string_view stdin_data) {
    ordered_json body = {{"ContainerID", environment.container_id},
                         {"Netns", environment.netns},
                         {"IfName", environment.ifname},
                         {"Args", environment.args},
                         {"Path", environment.path},
                         {"StdinData", encode_base64(stdin_data)}};
    if (!environment.netns_override.empty()) {
        body["NetnsOverride"] = environment.netns_override;
    }
    return body.dump();
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

bool is_answer_of_a_stranger(const Error& error) {
    return error.errno_value() == EPROTO || error.errno_value() == EMSGSIZE;
}

std::string string_member(const nlohmann::json& object, const char* key) {
    const auto member = object.find(key);
    return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

// {"code", "msg", "details"}; nothing if `body` is not that.
std::optional<CniError> parse_error_object(const std::string& body) {
    const auto object = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) {
        return std::nullopt;
    }
    const auto code = object.find("code");
    const std::string message = string_member(object, "msg");
    if (code == object.end() || !code->is_number_unsigned() || message.empty()) {
        return std::nullopt;
    }
    const auto number = code->get<std::uint64_t>();
    if (number == 0 || number > std::numeric_limits<std::int32_t>::max()) {
        return std::nullopt;
    }
    return CniError{static_cast<unsigned>(number), message, string_member(object, "details")};
}

std::string describe(const HttpRequest& request, const HttpResponse& response) {
    return "fsm-interceptor answered " + std::to_string(response.status) + " to " +
           std::string(request.method) + " " + std::string(request.target);
}

CniError to_cni_error(const HttpRequest& request, const HttpResponse& response) {
    if (auto error = parse_error_object(response.body)) {
        return std::move(*error);
    }
    const unsigned code =
        response.status == kServiceUnavailable ? kCniTryAgainLater : kCniInterceptorFailure;
    const std::string text = shorten(trim(response.body));
    return {code, text.empty() ? "fsm-interceptor gave no reason" : text,
            describe(request, response)};
}

}  // namespace

CniError InterceptorClient::no_answer(const HttpRequest& request, const Error& error) const {
    return {is_answer_of_a_stranger(error) ? kCniIoFailure : kCniTryAgainLater,
            "no answer from fsm-interceptor at " + socket_path_ + " (" + error.message() +
                "): " + what_to_do(error.errno_value()),
            "asked for " + std::string(request.method) + " " + std::string(request.target)};
}

std::optional<CniError> InterceptorClient::post_pod(std::string_view target,
                                                    const Environment& environment,
                                                    std::string_view stdin_data) const {
    const std::string body = pod_body(environment, stdin_data);
    const HttpRequest request{"POST", target, body};
    const auto response = exchange_http(socket_path_, request, deadline_);
    if (!response) {
        return no_answer(request, response.error());
    }
    if (response->status != kOk) {
        return to_cni_error(request, *response);
    }
    // Some servers say 200 to everything. A pod must not run without its sidecar for that.
    if (trim(response->body) != "ok") {
        return no_answer(request, Error("its body is not \"ok\"", EPROTO));
    }
    return std::nullopt;
}

std::optional<CniError> InterceptorClient::create_pod(const Environment& environment,
                                                      std::string_view stdin_data) const {
    return post_pod("/v1/cni/create-pod", environment, stdin_data);
}

std::optional<CniError> InterceptorClient::delete_pod(const Environment& environment,
                                                      std::string_view stdin_data) const {
    return post_pod("/v1/cni/delete-pod", environment, stdin_data);
}

std::optional<CniError> InterceptorClient::check_pod(const Environment& environment,
                                                     std::string_view stdin_data) const {
    return post_pod("/v1/cni/check-pod", environment, stdin_data);
}

std::optional<CniError> InterceptorClient::collect_garbage(const Environment& environment,
                                                           std::string_view stdin_data) const {
    const std::string body =
        ordered_json{{"Path", environment.path}, {"StdinData", encode_base64(stdin_data)}}.dump();
    const HttpRequest request{"POST", "/v1/cni/gc", body};
    const auto response = exchange_http(socket_path_, request, deadline_);
    if (!response) {
        return no_answer(request, response.error());
    }
    if (response->status != kOk) {
        return to_cni_error(request, *response);
    }
    return std::nullopt;
}

std::optional<CniError> InterceptorClient::status() const {
    const HttpRequest request{"GET", "/v1/cni/status", ""};
    const auto response = exchange_http(socket_path_, request, deadline_);
    if (!response) {
        // Pods that run go on without the interceptor: their data path is in the kernel.
        CniError error = no_answer(request, response.error());
        error.code = kCniUnavailable;
        return error;
    }
    if (response->status == kOk) {
        return std::nullopt;
    }
    CniError error = to_cni_error(request, *response);
    if (error.code != kCniLimitedConnectivity) {
        error.code = kCniUnavailable;
    }
    return error;
}

}  // namespace fsm
