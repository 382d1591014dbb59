// The entries of fsm_containers: which cgroups of a pod are not its sidecar's (bpf/abi.h).
#pragma once

#include <cstdint>
#include <map>

#include "common/result.h"
#include "interceptor/datapath/datapath_maps.h"
#include "interceptor/interception/container_registry.h"

namespace fsm {

// Writes the difference. Whatever order the programs read it in: a container that is listed before
// and after stays listed throughout, unless the level changes.
Result<void> put_other_containers(const ContainersMap& map, std::uint64_t netns_cookie,
                                  const OtherContainers& before, const OtherContainers& now);

Result<std::map<std::uint64_t, OtherContainers>> read_other_containers(const ContainersMap& map);

}  // namespace fsm
