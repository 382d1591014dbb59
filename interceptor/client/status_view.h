// The interceptor's answers about itself, its pods and its counters, as text for users.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "interceptor/client/output.h"

namespace fsm {

// These throw nlohmann::json::exception for an answer that lacks what they print.
std::string status_text(const nlohmann::json& status);
// A table, one line per attachment; wide: with its container, network namespace and uid.
std::string pods_text(const nlohmann::json& answer, OutputFormat format);
// One line per counter.
std::string counters_text(const nlohmann::json& answer);
// One line per module.
std::string levels_text(const nlohmann::json& answer);

// Whether the status tells of a problem of the node or of a pod.
bool is_degraded(const nlohmann::json& status);

}  // namespace fsm
