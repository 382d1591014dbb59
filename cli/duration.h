// Durations in Go's notation, which FSM, helm and kubectl use.
#pragma once

#include <chrono>
#include <string>

#include "common/result.h"

namespace fsm::cli {

// Parses "90s", "5m", "1h30m": whole numbers of h, m and s; from one second to one day.
Result<std::chrono::seconds> parse_duration(const std::string& text);

// Formats a duration in the same notation: 90 seconds as "1m30s".
std::string to_text(std::chrono::seconds time);

}  // namespace fsm::cli
