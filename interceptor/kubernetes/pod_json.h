// Objects of the Kubernetes API as JSON: parsing without unused parts, and conversion to Pod.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "interceptor/pod/pod.h"

namespace fsm {

// Where a text contains API objects.
enum class JsonForm : std::uint8_t {
    object = 1,  // the text is one
    event = 2,   // {"type":..., "object":{...}}
    list = 3,    // {"items":[{...}]}
};

// Omits the managed fields, the bulky parts of a pod's spec, and all of the status that a Pod does
// not contain. An Error: the text is not JSON, or not an object. Memory is bounded by a few times
// the size of the text.
Result<nlohmann::json> parse_api_json(std::string_view text, JsonForm form);

// The container runtime knows a static pod by the uid that its node assigned; the API's copy
// (mirror pod) has another one. The returned Pod has the former. An Error names the invalid field.
Result<Pod> read_api_pod(const nlohmann::json& object);

// metadata.<key> of an object if it is a text; otherwise empty.
std::string metadata_text(const nlohmann::json& object, const char* key);

}  // namespace fsm
