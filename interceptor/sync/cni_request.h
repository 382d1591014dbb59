// CniRequest: what the CNI plugin hands over for one operation, and the checks that every field has
// to pass before anything is done with it. Nothing in a request is trusted to be well formed.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip_address.h"
#include "interceptor/sync/cni_error.h"

namespace fsm {

// Names one attachment: an interface of a container. (CNI: "containerID" and "ifname".)
struct AttachmentKey {
    std::string container_id;
    std::string ifname;

    // "<container id>-<ifname>": the stem of the files that belong to the attachment.
    std::string to_string() const { return container_id + "-" + ifname; }
    auto operator<=>(const AttachmentKey&) const = default;
};

struct CniRequest {
    AttachmentKey key;
    std::string netns;       // path; may be empty for DEL
    std::string args;        // CNI_ARGS
    std::string stdin_data;  // the plugin's network configuration, decoded
};

// The pod that CNI_ARGS names. Runtimes outside Kubernetes give the name alone.
struct PodReference {
    std::string pod_namespace;  // empty: not given
    std::string name;           // empty: the container is not a pod
    std::string uid;            // empty: not given
    std::string infra_container_id;
};

// The container id is used in file names: CNI's own alphabet, and a length that fits.
CniOutcome validate_key(const AttachmentKey& key);

// "K=V;K=V". Unknown keys are tolerated (the specification says so); a part without "=" is not.
struct CniArgs {
    CniOutcome outcome;
    PodReference pod;
};
CniArgs parse_cni_args(std::string_view args);

// What the interceptor reads out of the network configuration on the plugin's standard input.
struct NetworkConfig {
    std::string network;                      // "name"; empty when absent
    std::vector<IpAddress> result_addresses;  // prevResult.ips[].address
    // "cni.dev/valid-attachments"; nullopt when absent or null, which is not the same as empty.
    std::optional<std::vector<AttachmentKey>> valid_attachments;
};

struct ParsedNetworkConfig {
    CniOutcome outcome;
    NetworkConfig config;
};
// Empty input is an empty configuration.
ParsedNetworkConfig parse_network_config(std::string_view json);

}  // namespace fsm
