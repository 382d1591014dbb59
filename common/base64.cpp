#include "common/base64.h"

#include <cstdint>

namespace fsm {

namespace {

// -1: not a character of the alphabet.
int value_of(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+') {
        return 62;
    }
    return c == '/' ? 63 : -1;
}

}  // namespace

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

Result<std::string> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) {
        return Error("base64: the length " + std::to_string(text.size()) +
                     " is not a multiple of 4");
    }
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') {
        ++padding;
    }
    const std::size_t digits = text.size() - padding;
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (std::size_t i = 0; i < digits; ++i) {
        const int value = value_of(text[i]);
        if (value < 0) {
            return Error("base64: byte " + std::to_string(i) + " is not a base64 character");
        }
        bits = (bits << 6) | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes += static_cast<char>((bits >> count) & 0xff);
        }
    }
    return bytes;
}

}  // namespace fsm
