#include "common/cni/text.h"

#include <algorithm>
#include <array>

namespace fsm::cni {

namespace {

constexpr std::size_t kShown = 60;

// Characters beyond ASCII with the property White_Space: U+0085, U+00A0, U+1680, U+2000 to U+200A,
// U+2028, U+2029, U+202F, U+205F, U+3000.
constexpr std::array<std::string_view, 19> kWhiteSpace = {
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
    "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
    "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
    "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};

}  // namespace

std::string in_quotes(std::string_view text) {
    std::string copy = "\"";
    for (const char c : text.substr(0, kShown)) {
        copy += c >= ' ' && c < 0x7f ? c : '?';
    }
    return copy + (text.size() > kShown ? "...\"" : "\"");
}

bool has_white_space(std::string_view text) {
    return text.find_first_of(" \t\n\v\f\r") != std::string_view::npos ||
           std::any_of(kWhiteSpace.begin(), kWhiteSpace.end(), [&](std::string_view space) {
               return text.find(space) != std::string_view::npos;
           });
}

}  // namespace fsm::cni
