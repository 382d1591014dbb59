// Times as Go programs write them, which is what users of FSM, helm and kubectl know.
#pragma once

#include <chrono>
#include <string>

#include "common/result.h"

namespace fsm::cli {

// "90s", "5m", "1h30m"; whole numbers of h, m and s, at least one second, at most a day.
Result<std::chrono::seconds> parse_duration(const std::string& text);

// "5m", "1h30m", "90s" as "1m30s".
std::string to_text(std::chrono::seconds time);

}  // namespace fsm::cli
