// The size of each map of fixed size, and the configuration setting that determines it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "interceptor/datapath/options.h"

namespace fsm {

// A connection has at most two ends on the node.
constexpr std::uint32_t kEndsPerConnection = 2;

struct MapLimit {
    const char* map;
    const char* setting;  // the key in the configuration
    std::uint32_t DatapathOptions::*value;
    std::uint32_t factor;  // entries per unit of the setting

    std::uint32_t entries(const DatapathOptions& options) const { return options.*value * factor; }
};

std::span<const MapLimit> map_limits();

// Null: the size of this map is not configured.
const char* setting_that_limits(std::string_view map);

}  // namespace fsm
