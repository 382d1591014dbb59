// Decides whether IPv6 traffic of a pod is intercepted, for meshes in which that depends on the
// pod's addresses.
#pragma once

#include <string>
#include <vector>

#include "common/interception.h"
#include "interceptor/pod/mesh_profile.h"

namespace fsm {

struct Ipv6Decision {
    Ipv6Mode mode = Ipv6Mode::never;
    std::string note;  // for the pod's owner, if IPv6 bypasses the sidecar; otherwise empty
};

// `addresses`: the pod's, except loopback and link-local ones.
Ipv6Decision decide_ipv6(const InMesh& pod, const std::vector<IpAddress>& addresses);

}  // namespace fsm
