// Base64 with padding (RFC 4648, section 4): how JSON carries the bytes of stdin.
#pragma once

#include <string>
#include <string_view>

namespace fsm {

std::string encode_base64(std::string_view bytes);

}  // namespace fsm
