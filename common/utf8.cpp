#include "common/utf8.h"

#include <cstdint>

namespace fsm {

namespace {

// The allowed range of the second byte: excludes overlong forms, surrogates and code points above
// U+10FFFF.
struct Form {
    std::size_t length;
    unsigned char second_low = 0x80;
    unsigned char second_high = 0xbf;
};

Form form_of(unsigned char first) {
    if (first < 0x80) {
        return {1};
    }
    if (first < 0xc2 || first > 0xf4) {
        return {0};
    }
    if (first < 0xe0) {
        return {2};
    }
    if (first < 0xf0) {
        return {3, static_cast<unsigned char>(first == 0xe0 ? 0xa0 : 0x80),
                static_cast<unsigned char>(first == 0xed ? 0x9f : 0xbf)};
    }
    return {4, static_cast<unsigned char>(first == 0xf0 ? 0x90 : 0x80),
            static_cast<unsigned char>(first == 0xf4 ? 0x8f : 0xbf)};
}

// The length in bytes of the character at the start of `text`; 0 if there is no valid one.
std::size_t character_length(std::string_view text) {
    const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
    const Form form = form_of(byte(0));
    if (form.length > text.size()) {
        return 0;
    }
    for (std::size_t i = 1; i < form.length; ++i) {
        const unsigned low = i == 1 ? form.second_low : 0x80U;
        const unsigned high = i == 1 ? form.second_high : 0xbfU;
        if (byte(i) < low || byte(i) > high) {
            return 0;
        }
    }
    return form.length;
}

}  // namespace

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = character_length(text);
        if (length == 0) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

std::string with_valid_utf8(std::string_view text) {
    std::string valid;
    valid.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = character_length(text);
        if (length == 0) {
            valid += "\xef\xbf\xbd";
            text.remove_prefix(1);
        } else {
            valid += text.substr(0, length);
            text.remove_prefix(length);
        }
    }
    return valid;
}

}  // namespace fsm
