// A TCP or UDP port in text form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace fsm {

// Parses "6443", 1 to 65535, in host order; the Error names `what`.
Result<std::uint16_t> parse_port(std::string_view text, const std::string& what);

}  // namespace fsm
