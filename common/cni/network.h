// What both sides read of the network configuration that a runtime passes on stdin.
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
    // What GC is to keep. nullopt when it is absent or null: nothing is to be collected, which is
    // not the same as an empty list.
    std::optional<std::vector<Interface>> valid_attachments;
};

// The configuration as JSON: code 6 when it is not an object.
Expected<nlohmann::json> decode_network(std::string_view text);

// Code 7 when a member is missing, or has the wrong type or value. `document` is an object.
Expected<Network> read_network(const nlohmann::json& document);

// Both.
Expected<Network> parse_network(std::string_view text);

}  // namespace fsm::cni
