// The network configuration that a runtime passes on stdin: the members that the plugin uses,
// checked.
//
// Our entry of a conflist:
//     {
//       "type": "fsm-cni",
//       "socket": "/var/run/fsm-cni.sock",     the interceptor's Unix socket
//       "timeout_ms": 10000,                   for the whole verb, 100 to 60000
//       "state_dir": "/var/run/fsm",           deletion notes go to <state_dir>/deleted
//       "interceptor_namespace": "fsm-system", its pods never wait for the interceptor
//       "kubernetes": {"exclude_namespaces": ["kube-system"]}
//     }
// All members but `type` may be missing or null; the values above are the defaults, except that no
// namespace is excluded. FSM's other members are accepted, so that its conflists work, and ignored:
// `kubernetes.kubeconfig`, `kubernetes.cni_bin_dir`, `kubernetes.node_name`,
// `kubernetes.intercept_type`, `kubernetes.k8s_api_root` (only the interceptor uses Kubernetes and
// decides how to intercept) and `log_level` (the plugin logs only failures). Their types are still
// checked. Unknown members are ignored, as the specification requires.
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "cni-plugin/environment.h"
#include "common/cni/error.h"
#include "common/cni/network.h"

namespace fsm::plugin {

inline constexpr std::chrono::milliseconds kDefaultTimeout{10000};
inline constexpr std::chrono::milliseconds kMinTimeout{100};
inline constexpr std::chrono::milliseconds kMaxTimeout{60000};

struct PluginSettings {
    std::string socket = "/var/run/fsm-cni.sock";
    std::chrono::milliseconds timeout = kDefaultTimeout;
    std::string state_dir = "/var/run/fsm";
    std::set<std::string, std::less<>> excluded_namespaces;
};

struct NetworkConfig {
    std::string cni_version;  // a supported one
    cni::Network network;
    PluginSettings settings;
    // The unchanged text of prevResult; present for ADD and CHECK.
    std::optional<std::string> previous_result;
};

// Fails with code 6 if `text` is not JSON; 1 if its version is not supported, or too old for the
// verb; 7 if a member is missing or has the wrong type or value (the message has the member's
// path).
cni::Expected<NetworkConfig> parse_network_config(std::string_view text, Verb verb);

// The `cniVersion` of a VERSION request, the oldest if it has none. Fails with code 6 or 7.
cni::Expected<std::string> parse_requested_version(std::string_view text);

// The `cniVersion` for the answer to `text`, even if the rest of it is invalid: its own if that is
// supported, the oldest if it has none, otherwise the newest.
std::string answer_version(std::string_view text);

}  // namespace fsm::plugin
