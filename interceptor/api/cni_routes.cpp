#include "interceptor/api/cni_routes.h"

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base64.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

using nlohmann::json;

struct ParsedBody {
    CniOutcome outcome;
    CniRequest request;
};

CniError undecodable(const std::string& why) {
    return CniError(CniErrorCode::undecodable, "cannot decode the request's body", why);
}

CniOutcome read_string(const json& document, const char* key, std::string& target) {
    const auto found = document.find(key);
    if (found == document.end() || found->is_null()) {
        return {};
    }
    if (!found->is_string()) {
        return undecodable(std::string(key) + " is not a string");
    }
    target = found->get<std::string>();
    return {};
}

CniOutcome read_fields(const json& document, CniRequest& request) {
    const std::pair<const char*, std::string*> fields[] = {
        {"ContainerID", &request.key.container_id},
        {"IfName", &request.key.ifname},
        {"Netns", &request.netns},
        {"Args", &request.args},
        {"StdinData", &request.stdin_data},
    };
    for (const auto& [key, target] : fields) {
        if (auto read = read_string(document, key, *target); !read) {
            return read;
        }
    }
    auto decoded = decode_base64(request.stdin_data);
    if (!decoded) {
        return undecodable("StdinData: " + decoded.error().message());
    }
    request.stdin_data = std::move(*decoded);
    return {};
}

ParsedBody parse_body(const std::string& body) {
    ParsedBody parsed;
    try {
        const auto document = json::parse(body);
        parsed.outcome = document.is_object() ? read_fields(document, parsed.request)
                                              : CniOutcome(undecodable("it is not a JSON object"));
    } catch (const json::exception& failure) {
        parsed.outcome = undecodable(failure.what());
    }
    return parsed;
}

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

using Verb = std::function<CniOutcome(const CniRequest&)>;

void add_verb(HttpRouter& router, RequestMeter& meter, const std::string& path,
              const std::string& name, Verb verb) {
    router.post(path, [&meter, name, verb = std::move(verb)](const std::string& body) {
        const auto start = std::chrono::steady_clock::now();
        const auto parsed = parse_body(body);
        const auto outcome = parsed.outcome ? verb(parsed.request) : parsed.outcome;
        const auto time = std::chrono::steady_clock::now() - start;
        meter.count(name, static_cast<bool>(outcome), time);
        log::debug("verb={} container={} interface={} netns={} args=\"{}\" took {} ms", name,
                   parsed.request.key.container_id, parsed.request.key.ifname, parsed.request.netns,
                   parsed.request.args,
                   std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
        if (!outcome) {
            log::warn("verb={} container={} interface={} refused with CNI code {}: {}: {}", name,
                      parsed.request.key.container_id, parsed.request.key.ifname,
                      static_cast<int>(outcome.error().code), outcome.error().message,
                      outcome.error().details);
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
    return error_response(http_status_of(error.code), static_cast<int>(error.code), error.message,
                          error.details);
}

void add_cni_routes(HttpRouter& router, Enroller& enroller, RequestMeter& meter) {
    add_verb(router, meter, "/v1/cni/create-pod", "add",
             [&](const CniRequest& request) { return enroller.create(request); });
    add_verb(router, meter, "/v1/cni/delete-pod", "del",
             [&](const CniRequest& request) { return enroller.remove(request); });
    add_verb(router, meter, "/v1/cni/check-pod", "check",
             [&](const CniRequest& request) { return enroller.check(request); });
    add_verb(router, meter, "/v1/cni/gc", "gc", [&](const CniRequest& request) {
        return enroller.collect_garbage(request.stdin_data);
    });
    router.get("/v1/cni/status",
               [&](const std::string&) { return response_of(enroller.status()); });
}

}  // namespace fsm
