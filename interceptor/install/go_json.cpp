#include "interceptor/install/go_json.h"

#include <charconv>
#include <optional>
#include <string>

#include "common/utf8.h"

namespace fsm {

namespace {

constexpr std::size_t kEscapeLength = 6;  // \uXXXX
constexpr std::string_view kReplacement = "\\ufffd";

// The code unit of the escape "\uXXXX" that `text` starts with.
std::optional<unsigned> unit_at(std::string_view text) {
    if (text.size() < kEscapeLength || !text.starts_with("\\u")) {
        return std::nullopt;
    }
    unsigned unit = 0;
    const char* const last = text.data() + kEscapeLength;
    const auto [end, failure] = std::from_chars(text.data() + 2, last, unit, 16);
    return failure == std::errc() && end == last ? std::optional(unit) : std::nullopt;
}

bool is_first_half(unsigned unit) {
    return unit >= 0xd800 && unit < 0xdc00;
}

bool is_second_half(unsigned unit) {
    return unit >= 0xdc00 && unit < 0xe000;
}

// The bytes of the escape that `text` starts with, as Go reads it.
std::string_view escape_at(std::string_view text, std::size_t& length) {
    const auto unit = unit_at(text);
    if (!unit) {
        length = std::min<std::size_t>(2, text.size());
        return text.substr(0, length);
    }
    length = kEscapeLength;
    if (is_first_half(*unit)) {
        const auto next = unit_at(text.substr(kEscapeLength));
        if (next && is_second_half(*next)) {
            length = 2 * kEscapeLength;
            return text.substr(0, length);
        }
    }
    return is_first_half(*unit) || is_second_half(*unit) ? kReplacement : text.substr(0, length);
}

// In valid JSON, backslashes occur only in strings.
std::string with_whole_surrogates(std::string_view text) {
    std::string whole;
    whole.reserve(text.size());
    while (!text.empty()) {
        const auto plain = text.substr(0, text.find('\\'));
        whole += plain;
        text.remove_prefix(plain.size());
        if (!text.empty()) {
            std::size_t length = 0;
            whole += escape_at(text, length);
            text.remove_prefix(length);
        }
    }
    return whole;
}

}  // namespace

nlohmann::json parse_as_go(std::string_view text) {
    return nlohmann::json::parse(with_whole_surrogates(with_valid_utf8(text)), nullptr,
                                 /*allow_exceptions=*/false);
}

}  // namespace fsm
