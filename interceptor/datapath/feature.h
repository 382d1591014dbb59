// The features of mode ebpf. A node loads only what it uses.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string_view>

namespace fsm {

enum class Feature : std::uint8_t {
    interception,    // outbound, the answers of socket calls, and everything shared
    acceleration,    // data between two sockets of the node
    inbound_lookup,  // inbound by sk_lookup
    inbound_tc,      // inbound by tc filters
    events,          // what the programs tell user space as it happens
    connections,     // the list of open connections
};

inline constexpr std::array kFeatures = {Feature::interception,   Feature::acceleration,
                                         Feature::inbound_lookup, Feature::inbound_tc,
                                         Feature::events,         Feature::connections};

using FeatureSet = std::set<Feature>;

// The name in the configuration.
constexpr std::string_view to_string(Feature feature) {
    switch (feature) {
        case Feature::interception:
            return "interception";
        case Feature::acceleration:
            return "acceleration";
        case Feature::inbound_lookup:
            return "inbound-sk_lookup";
        case Feature::inbound_tc:
            return "inbound-tc";
        case Feature::events:
            return "events";
        case Feature::connections:
            return "connections";
    }
    return "?";
}

}  // namespace fsm
