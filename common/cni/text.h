// Helpers for text that a runtime passes: quoting for messages, and white space.
#pragma once

#include <string>
#include <string_view>

namespace fsm::cni {

// In quotation marks, cut to one line, without characters that a terminal would interpret.
std::string in_quotes(std::string_view text);

// Whether the text contains Unicode white space; `text` is valid UTF-8.
bool has_white_space(std::string_view text);

}  // namespace fsm::cni
