// The protocol between fsm-cni and fsm-interceptor on the interceptor's Unix socket, and the checks
// that both make, so that the interceptor accepts every request that the plugin lets pass.
//
//     POST kCreateRoute, kDeleteRoute, kCheckRoute
//          {"ContainerID", "Netns", "IfName", "Args", "StdinData"}
//     POST kCollectRoute   {"StdinData"}
//     GET  kStatusRoute
//
// StdinData is the network configuration in base64. Success is status 200, with the body "ok" for
// the first three routes; a failure has another status and {"code", "msg", "details"}
// (error_body()).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/cni/attachment.h"
#include "common/cni/error.h"

namespace fsm::cni {

inline constexpr std::string_view kCreateRoute = "/v1/cni/create-pod";
inline constexpr std::string_view kDeleteRoute = "/v1/cni/delete-pod";
inline constexpr std::string_view kCheckRoute = "/v1/cni/check-pod";
inline constexpr std::string_view kCollectRoute = "/v1/cni/gc";
inline constexpr std::string_view kStatusRoute = "/v1/cni/status";

// Limits for ADD and CHECK. A longer id or name was never attached, so its DEL has nothing to
// remove and succeeds.
inline constexpr std::size_t kMaxContainerId = 1024;
inline constexpr std::size_t kMaxArgs = 16384;
inline constexpr std::size_t kMaxInterfaceName = 15;  // IFNAMSIZ without the final NUL

struct Request {
    Interface interface;
    std::string netns;       // path; may be empty for DEL
    std::string args;        // CNI_ARGS
    std::string stdin_data;  // the network configuration
};

// The verb of a request. DEL accepts incomplete requests, as long as they identify an attachment:
// runtimes also call DEL to clean up after a failed ADD.
enum class Operation { add, del, check };

// Checks the environment, not the configuration. Code 4 with the name of the invalid variable.
Outcome check_request(const Request& request, Operation operation);

// Validates a container id or an interface name that was read from a file.
Outcome check_interface(const Interface& interface);

// The pod in CNI_ARGS ("K=V;K=V"). Runtimes outside Kubernetes pass only the name. If a key is
// repeated, the last one counts, as in libcni; unknown keys are ignored.
struct PodReference {
    std::string pod_namespace;  // empty: not given
    std::string name;           // empty: the container is not a pod
    std::string uid;            // empty: not given
};
PodReference pod_of(std::string_view args);

// ---- the wire

std::string to_body(const Request& request);
// Missing members are empty; unknown ones are ignored. Code 6 if the body cannot be decoded.
Expected<Request> parse_body(std::string_view body);

std::string error_body(const Error& error);
// nullopt if `body` was not made by error_body().
std::optional<Error> parse_error_body(std::string_view body);

}  // namespace fsm::cni
