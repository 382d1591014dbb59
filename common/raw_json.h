// Finds parts of a JSON text without changing it.
//
// Parsing and printing changes a text: numbers lose digits, and repeated members get lost. Text of
// other programs is therefore cut or extended in place.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace fsm {

// The text of the object's member `key`, without surrounding white space; nothing if there is none.
// Of repeated members the last one counts, as in nlohmann's and Go's parsers. `document` must be
// valid JSON (already parsed), an object, with or without a byte order mark. The view points into
// `document`.
std::optional<std::string_view> find_raw_member(std::string_view document, std::string_view key);

// The texts of the list's elements, without surrounding white space. `list` must be valid JSON
// (already parsed). The views point into it.
std::vector<std::string_view> raw_elements(std::string_view list);

}  // namespace fsm
