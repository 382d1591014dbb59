// How many entries each map of fixed size has, and which setting of the configuration says so.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "interceptor/datapath/options.h"

namespace fsm {

// A connection has two ends on the node at most.
constexpr std::uint32_t kEndsPerConnection = 2;

struct MapLimit {
    const char* map;
    const char* setting;  // the key in the configuration
    std::uint32_t DatapathOptions::*value;
    std::uint32_t factor;  // entries for each one that the setting allows

    std::uint32_t entries(const DatapathOptions& options) const { return options.*value * factor; }
};

std::span<const MapLimit> map_limits();

// Null: the size of this map is not configured.
const char* setting_that_limits(std::string_view map);

}  // namespace fsm
