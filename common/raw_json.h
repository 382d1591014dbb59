// Finding a part of a JSON text without changing it.
//
// A text that is parsed and printed again is another text: numbers lose digits, unknown and
// repeated members get lost. What others wrote is cut out, or added to, as it is.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace fsm {

// The text of the member `key` of the object that `document` is, without the white space around it;
// nothing if there is none. Of repeated members the last one counts, as for the parsers of nlohmann
// and Go. `document` must be valid JSON (it has been parsed), an object, with or without a byte
// order mark. The view points into `document`.
std::optional<std::string_view> find_raw_member(std::string_view document, std::string_view key);

// The texts of the elements of the list that `list` is (it has been parsed), without the white
// space around them. The views point into `list`.
std::vector<std::string_view> raw_elements(std::string_view list);

}  // namespace fsm
