#include "cni-plugin/protocol_version.h"

#include <algorithm>

namespace fsm::plugin {

bool is_supported_cni_version(std::string_view version) {
    return std::find(kSupportedCniVersions.begin(), kSupportedCniVersions.end(), version) !=
           kSupportedCniVersions.end();
}

bool is_cni_version_at_least(std::string_view version, std::string_view minimum) {
    const auto begin = kSupportedCniVersions.begin();
    const auto end = kSupportedCniVersions.end();
    return std::find(begin, end, version) >= std::find(begin, end, minimum);
}

}  // namespace fsm::plugin
