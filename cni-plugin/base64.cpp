#include "cni-plugin/base64.h"

#include <cstdint>

namespace fsm {

std::string encode_base64(std::string_view bytes) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    constexpr unsigned kGroupBytes = 3;
    constexpr unsigned kGroupDigits = 4;
    std::string text;
    text.reserve((bytes.size() + kGroupBytes - 1) / kGroupBytes * kGroupDigits);
    while (!bytes.empty()) {
        const std::string_view group = bytes.substr(0, kGroupBytes);
        std::uint32_t bits = 0;
        for (unsigned i = 0; i < kGroupBytes; ++i) {
            bits = bits << 8 | (i < group.size() ? static_cast<std::uint8_t>(group[i]) : 0U);
        }
        for (unsigned i = 0; i < kGroupDigits; ++i) {
            const std::uint32_t digit = bits >> (6 * (kGroupDigits - 1 - i)) & 0x3fU;
            text += i <= group.size() ? kDigits[digit] : '=';
        }
        bytes.remove_prefix(group.size());
    }
    return text;
}

}  // namespace fsm
