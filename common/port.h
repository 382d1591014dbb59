// A TCP or UDP port as people write it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace fsm {

// "6443", 1 to 65535, in host order; `what` is named in the Error.
Result<std::uint16_t> parse_port(std::string_view text, const std::string& what);

}  // namespace fsm
