#include "interceptor/pod/pod_reader.h"

#include <algorithm>

#include "common/text.h"

namespace fsm {

namespace {

constexpr std::size_t kLongestName = 253;
constexpr std::size_t kLongestNamespace = 63;

bool is_lower_alphanumeric(char character) {
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
}

// One part of a DNS name, as Kubernetes allows it: [a-z0-9]([-a-z0-9]*[a-z0-9])?
bool is_dns_label(std::string_view text) {
    return !text.empty() && is_lower_alphanumeric(text.front()) &&
           is_lower_alphanumeric(text.back()) &&
           std::all_of(text.begin(), text.end(), [](char character) {
               return is_lower_alphanumeric(character) || character == '-';
           });
}

bool is_dns_subdomain(std::string_view text) {
    while (true) {
        const auto dot = text.find('.');
        if (!is_dns_label(text.substr(0, dot))) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        text.remove_prefix(dot + 1);
    }
}

}  // namespace

bool is_pod_name(std::string_view text) {
    return text.size() <= kLongestName && is_dns_subdomain(text);
}

bool is_namespace_name(std::string_view text) {
    return text.size() <= kLongestNamespace && is_dns_label(text);
}

std::string not_a_pod_name(std::string_view text) {
    return in_quotes(text) + " is not a pod's name: lower-case letters, digits, '-' and '.'";
}

std::string not_a_namespace_name(std::string_view text) {
    return in_quotes(text) + " is not a namespace: lower-case letters, digits and '-'";
}

}  // namespace fsm
