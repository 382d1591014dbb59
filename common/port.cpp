#include "common/port.h"

#include <charconv>

namespace fsm {

Result<std::uint16_t> parse_port(std::string_view text, const std::string& what) {
    std::uint16_t port = 0;
    const char* end = text.data() + text.size();
    const auto [parsed, failure] = std::from_chars(text.data(), end, port);
    if (failure != std::errc() || parsed != end || port == 0) {
        return Error(
            what + ": \"" + std::string(text) + "\" is not a port, a number from 1 to 65535",
            EINVAL);
    }
    return port;
}

}  // namespace fsm
