// The entries of fsm_containers: the cgroups of a pod that are not its sidecar's (bpf/abi.h).
#pragma once

#include <cstdint>
#include <map>

#include "common/result.h"
#include "interceptor/datapath/datapath_maps.h"
#include "interceptor/interception/container_registry.h"

namespace fsm {

// Writes the difference. In any order of reads, a container that is in both lists stays listed,
// unless the level changes.
Result<void> put_other_containers(const ContainersMap& map, std::uint64_t netns_cookie,
                                  const OtherContainers& before, const OtherContainers& now);

Result<std::map<std::uint64_t, OtherContainers>> read_other_containers(const ContainersMap& map);

}  // namespace fsm
