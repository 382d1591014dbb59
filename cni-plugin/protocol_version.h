// The supported versions of the CNI protocol, and the first version of each verb.
#pragma once

#include <array>
#include <string_view>

namespace fsm::plugin {

// Ascending. A network configuration without a version has the oldest.
inline constexpr std::array<std::string_view, 7> kSupportedCniVersions = {
    "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
inline constexpr std::string_view kOldestCniVersion = kSupportedCniVersions.front();
inline constexpr std::string_view kNewestCniVersion = kSupportedCniVersions.back();

bool is_supported_cni_version(std::string_view version);

// Both must be supported versions.
bool is_cni_version_at_least(std::string_view version, std::string_view minimum);

}  // namespace fsm::plugin
