// Base64 as JSON encoders write byte strings: RFC 4648 section 4, padded, without line breaks.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace fsm {

std::string encode_base64(std::string_view bytes);

Result<std::string> decode_base64(std::string_view text);

}  // namespace fsm
