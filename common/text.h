// Helpers for text from users.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fsm {

// Escapes everything but printable ASCII (\x0a): messages go to logs and into JSON, which must not
// contain control characters or invalid UTF-8.
std::string printable(std::string_view text);

// Quoted, printable, and cut to a readable length.
std::string in_quotes(std::string_view text);

// Without white space at both ends.
std::string_view trimmed(std::string_view text);

// The comma-separated parts, trimmed; empty parts are omitted.
std::vector<std::string_view> split_list(std::string_view text);

// Compares ASCII letters without case.
bool same_word(std::string_view left, std::string_view right);

// "a, b, c"
std::string joined(const std::vector<std::string>& words);

}  // namespace fsm
