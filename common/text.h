// Small things about texts that others wrote.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fsm {

// What is not printable ASCII is escaped (\x0a): messages go to logs and into JSON, where control
// characters and broken UTF-8 must not get.
std::string printable(std::string_view text);

// In quotes, printable, and cut to a readable length.
std::string in_quotes(std::string_view text);

// Without white space at both ends.
std::string_view trimmed(std::string_view text);

// The parts between commas, trimmed; empty parts are left out.
std::vector<std::string_view> split_list(std::string_view text);

// Equal but for the case of ASCII letters.
bool same_word(std::string_view left, std::string_view right);

// "a, b, c"
std::string joined(const std::vector<std::string>& words);

}  // namespace fsm
