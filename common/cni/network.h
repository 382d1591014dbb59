// The members of the network configuration (which a runtime passes on stdin) that both the plugin
// and the interceptor read.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/cni/attachment.h"
#include "common/cni/error.h"
#include "common/ip_address.h"

namespace fsm::cni {

struct Network {
    std::string name;
    bool has_previous_result = false;
    std::vector<IpAddress> result_addresses;  // prevResult.ips[].address
    // The attachments that GC keeps. If it is absent or null, nothing is collected; an empty list
    // collects everything.
    std::optional<std::vector<Interface>> valid_attachments;
};

// Parses the configuration. Code 6 if it is not a JSON object.
Expected<nlohmann::json> decode_network(std::string_view text);

// Reads the members. Code 7 if one is missing or has the wrong type or value. `document` is an
// object.
Expected<Network> read_network(const nlohmann::json& document);

// Parses the configuration and reads the members.
Expected<Network> parse_network(std::string_view text);

}  // namespace fsm::cni
