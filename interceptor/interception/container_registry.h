// ContainerRegistry: which containers of a pod are not its sidecar, so that an application with the
// sidecar's uid does not count as the sidecar.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "common/result.h"

namespace fsm {

// The cgroups of a pod's containers that are not its sidecar: processes in them do not count as the
// sidecar, whatever their uid and gid.
struct OtherContainers {
    std::uint32_t level = 0;          // of all of them; the root of the hierarchy has 0
    std::set<std::uint64_t> cgroups;  // by id

    bool operator==(const OtherContainers&) const = default;
};

// Threads: every function may be called from any thread. A mode that cannot distinguish processes
// by cgroup stores nothing.
class ContainerRegistry {
  public:
    virtual ~ContainerRegistry() = default;

    // Replaces the entries of the pod; `before` are the previous ones. Independent of the pod's
    // enrolment.
    virtual Result<void> set_other_containers(std::uint64_t /*netns_cookie*/,
                                              const OtherContainers& /*before*/,
                                              const OtherContainers& /*now*/) {
        return {};
    }
    // The entries of all pods, including those of an earlier process.
    virtual Result<std::map<std::uint64_t, OtherContainers>> other_containers() const {
        return std::map<std::uint64_t, OtherContainers>();
    }
};

}  // namespace fsm
