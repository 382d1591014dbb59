// UTF-8 as defined by RFC 3629.
#pragma once

#include <string>
#include <string_view>

namespace fsm {

bool is_utf8(std::string_view text);

// Replaces every byte that is not part of a character by U+FFFD, as Go's decoders do.
std::string with_valid_utf8(std::string_view text);

}  // namespace fsm
