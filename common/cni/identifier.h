// The CNI specification's rule for container ids and network names: a letter or a digit first, then
// letters, digits, '_', '.' and '-'. A name that follows it is also a valid file name.
#pragma once

#include <algorithm>
#include <string_view>

namespace fsm::cni {

// Not isalnum(): the result must not depend on the locale.
constexpr bool is_ascii_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

constexpr bool is_cni_identifier(std::string_view text) {
    return !text.empty() && is_ascii_alphanumeric(text.front()) &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return is_ascii_alphanumeric(c) || c == '_' || c == '.' || c == '-';
           });
}

}  // namespace fsm::cni
