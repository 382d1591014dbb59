// ContainerRegistry: which containers of a pod are known not to be its sidecar, so that an
// application with the sidecar's uid is not taken for it.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "common/result.h"

namespace fsm {

// The cgroups of a pod's containers that are known not to be its sidecar: what runs in them does
// not count as the sidecar, whatever its uid and gid.
struct OtherContainers {
    std::uint32_t level = 0;          // of all of them; the root of the hierarchy has 0
    std::set<std::uint64_t> cgroups;  // by id

    bool operator==(const OtherContainers&) const = default;
};

// Threads: every function may be called from any thread. A mode that cannot tell processes apart
// keeps nothing.
class ContainerRegistry {
  public:
    virtual ~ContainerRegistry() = default;

    // Replaces what is known of the pod's containers; `before` is what was told the last time.
    // Independent of whether the pod is enrolled.
    virtual Result<void> set_other_containers(std::uint64_t /*netns_cookie*/,
                                              const OtherContainers& /*before*/,
                                              const OtherContainers& /*now*/) {
        return {};
    }
    // What it holds of all pods: an earlier process may have told it.
    virtual Result<std::map<std::uint64_t, OtherContainers>> other_containers() const {
        return std::map<std::uint64_t, OtherContainers>();
    }
};

}  // namespace fsm
