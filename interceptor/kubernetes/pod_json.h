// Objects of the Kubernetes API as JSON: parsing them without what nobody here reads, and pods out
// of them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "interceptor/pod/pod.h"

namespace fsm {

// Where the API's objects are in a text.
enum class JsonForm : std::uint8_t {
    object = 1,  // the text is one
    event = 2,   // {"type":..., "object":{...}}
    list = 3,    // {"items":[{...}]}
};

// Leaves the managed fields, the bulky parts of a pod's spec, and all of the status but what a Pod
// has of it out. An Error: the text is not JSON, or not an object. Memory is bounded by a few times
// the size of the text.
Result<nlohmann::json> parse_api_json(std::string_view text, JsonForm form);

// A static pod is known to the container runtime by the uid that its node gave it; the API's copy
// (mirror pod) has another one. The Pod has the former. An Error names the field that is wrong.
Result<Pod> read_api_pod(const nlohmann::json& object);

// metadata.<key> of an object when it is a text; else empty.
std::string metadata_text(const nlohmann::json& object, const char* key);

}  // namespace fsm
