#include "interceptor/api/cni_routes.h"

#include <chrono>
#include <functional>
#include <string_view>
#include <utility>

#include "common/cni/request.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

int http_status_of(CniErrorCode code) {
    switch (code) {
        case CniErrorCode::invalid_environment:
        case CniErrorCode::undecodable:
        case CniErrorCode::invalid_config:
            return 400;
        case CniErrorCode::try_again_later:
        case CniErrorCode::unavailable:
        case CniErrorCode::limited_connectivity:
            return 503;
        default:
            return 500;
    }
}

CniErrorCode code_of(HttpFault fault) {
    switch (fault) {
        case HttpFault::malformed:
            return CniErrorCode::undecodable;
        case HttpFault::too_slow:
            return CniErrorCode::try_again_later;
        case HttpFault::forbidden:
            return CniErrorCode::invalid_environment;
        case HttpFault::internal:
            break;
    }
    return CniErrorCode::enrolment_failed;
}

using Verb = std::function<CniOutcome(const cni::Request&)>;

// "NAMESPACE/NAME" of the runtime's arguments; empty: they name no pod.
std::string pod_named_by(const cni::Request& request) {
    const auto pod = cni::pod_of(request.args);
    return pod.name.empty() ? "" : pod.pod_namespace + "/" + pod.name;
}

void log_request(const std::string& name, const cni::Request& request,
                 std::chrono::steady_clock::duration time) {
    log::debug(log::Pod{pod_named_by(request)},
               "verb={} container={} interface={} netns={} args=\"{}\" took {} ms", name,
               request.interface.container_id, request.interface.ifname, request.netns,
               request.args, std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

void log_refusal(const std::string& name, const cni::Request& request, const CniError& error) {
    log::warn(log::Pod{pod_named_by(request)},
              "verb={} container={} interface={} refused with CNI code {}: {}: {}", name,
              request.interface.container_id, request.interface.ifname,
              static_cast<int>(error.code), error.message, error.details);
}

void add_verb(HttpRouter& router, RequestMeter& meter, std::string_view path,
              const std::string& name, Verb verb) {
    meter.expect(name);
    router.post(std::string(path), [&meter, name, verb = std::move(verb)](const std::string& body) {
        const auto start = std::chrono::steady_clock::now();
        const auto request = cni::parse_body(body);
        const cni::Request unreadable;
        const auto outcome = request ? verb(*request) : CniOutcome(request.error());
        const auto time = std::chrono::steady_clock::now() - start;
        meter.count(name, static_cast<bool>(outcome), time);
        log_request(name, request ? *request : unreadable, time);
        if (!outcome) {
            log_refusal(name, request ? *request : unreadable, outcome.error());
        }
        return response_of(outcome);
    });
}

}  // namespace

HttpResponse response_of(const CniOutcome& outcome) {
    if (outcome) {
        return {200, "ok", "text/plain"};
    }
    const CniError& error = outcome.error();
    return {http_status_of(error.code), cni::error_body(error)};
}

HttpResponse error_response(int status, CniErrorCode code, const std::string& message,
                            const std::string& details) {
    return {status, cni::error_body({code, message, details})};
}

std::string error_body_of(HttpFault fault, const std::string& message, const std::string& details) {
    return cni::error_body({code_of(fault), message, details});
}

void add_cni_routes(HttpRouter& router, Enroller& enroller, RequestMeter& meter) {
    add_verb(router, meter, cni::kCreateRoute, "add",
             [&](const cni::Request& request) { return enroller.create(request); });
    add_verb(router, meter, cni::kDeleteRoute, "del",
             [&](const cni::Request& request) { return enroller.remove(request); });
    add_verb(router, meter, cni::kCheckRoute, "check",
             [&](const cni::Request& request) { return enroller.check(request); });
    add_verb(router, meter, cni::kCollectRoute, "gc", [&](const cni::Request& request) {
        return enroller.collect_garbage(request.stdin_data);
    });
    router.get(std::string(cni::kStatusRoute),
               [&](const std::string&) { return response_of(enroller.status()); });
}

}  // namespace fsm
