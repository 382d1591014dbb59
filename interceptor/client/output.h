// What a command prints: a table, one with more columns, or the interceptor's JSON.
#pragma once

#include <cstdint>

namespace fsm {

enum class OutputFormat : std::uint8_t { text, wide, json };

}  // namespace fsm
