// UTF-8 as RFC 3629 has it.
#pragma once

#include <string>
#include <string_view>

namespace fsm {

bool is_utf8(std::string_view text);

// With U+FFFD in place of every byte that is no part of a character, as Go's decoders read it.
std::string with_valid_utf8(std::string_view text);

}  // namespace fsm
