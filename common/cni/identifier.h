// The one rule that the CNI specification has for container ids and network names: a letter or a
// digit first, then letters, digits, '_', '.' and '-'. A text that keeps it can be a file's name.
#pragma once

#include <algorithm>
#include <string_view>

namespace fsm::cni {

// Not isalnum(): the locale must not have a say.
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
