// What fsm-cni and fsm-interceptor say to each other over the interceptor's Unix socket, and the
// checks that both make, so that what the one lets pass the other takes.
//
//     POST kCreateRoute, kDeleteRoute, kCheckRoute
//          {"ContainerID", "Netns", "IfName", "Args", "StdinData"}
//     POST kCollectRoute   {"StdinData"}
//     GET  kStatusRoute
//
// StdinData is the network configuration in base64. Success is 200, with the body "ok" for the
// first three; a failure is another status, with {"code", "msg", "details"} (error_body()).
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

// Limits of what ADD and CHECK take. What is longer was never attached, so DEL of it has nothing to
// do and succeeds.
inline constexpr std::size_t kMaxContainerId = 1024;
inline constexpr std::size_t kMaxArgs = 16384;
inline constexpr std::size_t kMaxInterfaceName = 15;  // IFNAMSIZ without the final NUL

struct Request {
    Interface interface;
    std::string netns;       // path; may be empty for DEL
    std::string args;        // CNI_ARGS
    std::string stdin_data;  // the network configuration
};

// What a request is for. DEL takes what it gets, as far as it names something: it is also how a
// runtime cleans up after an ADD that failed.
enum class Operation { add, del, check };

// Code 4, and the name of the environment variable that is wrong. Nothing of the configuration.
Outcome check_request(const Request& request, Operation operation);

// What an interface or a container that a file names must be like, to be believed.
Outcome check_interface(const Interface& interface);

// The pod that CNI_ARGS names ("K=V;K=V"). Runtimes outside Kubernetes give the name alone. Of
// repeated keys the last one counts, as for CNI's own library; others are tolerated.
struct PodReference {
    std::string pod_namespace;  // empty: not given
    std::string name;           // empty: the container is not a pod
    std::string uid;            // empty: not given
};
PodReference pod_of(std::string_view args);

// ---- the wire

std::string to_body(const Request& request);
// Members that are not there are empty; unknown ones are ignored. Code 6.
Expected<Request> parse_body(std::string_view body);

std::string error_body(const Error& error);
// nullopt: `body` is not what error_body() makes.
std::optional<Error> parse_error_body(std::string_view body);

}  // namespace fsm::cni
