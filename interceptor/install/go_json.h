// JSON as the container runtimes' decoder (Go's encoding/json) takes it, where nlohmann-json is
// stricter: strings with bytes that are no UTF-8, and halves of surrogate pairs.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace fsm {

// For reading alone: what is to be written is cut out of the text. A value that is_discarded() when
// the text is not JSON.
nlohmann::json parse_as_go(std::string_view text);

}  // namespace fsm
