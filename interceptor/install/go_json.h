// JSON as the container runtimes' decoder (Go's encoding/json) accepts it. It is more lenient than
// nlohmann-json: strings may contain invalid UTF-8 and unpaired surrogates.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace fsm {

// For reading only; text that is written is cut from the original. Returns a value with
// is_discarded() if the text is not JSON.
nlohmann::json parse_as_go(std::string_view text);

}  // namespace fsm
