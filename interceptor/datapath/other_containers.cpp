#include "interceptor/datapath/other_containers.h"

#include <optional>

namespace fsm {

namespace {

constexpr std::uint32_t kListed = 1;

struct fsm_container_key key_of(std::uint64_t netns_cookie, std::uint64_t cgroup_id) {
    struct fsm_container_key key {};
    key.netns_cookie = netns_cookie;
    key.cgroup_id = cgroup_id;
    return key;
}

Result<void> put_level(const ContainersMap& map, std::uint64_t netns_cookie,
                       const OtherContainers& now) {
    const auto key = key_of(netns_cookie, FSM_LEVEL_OF_CONTAINERS);
    if (now.cgroups.empty()) {
        FSM_TRY(map.remove(key));
        return {};
    }
    return map.put(key, now.level);
}

}  // namespace

Result<void> put_other_containers(const ContainersMap& map, std::uint64_t netns_cookie,
                                  const OtherContainers& before, const OtherContainers& now) {
    for (const std::uint64_t cgroup : now.cgroups) {
        if (!before.cgroups.contains(cgroup)) {
            FSM_TRY(map.put(key_of(netns_cookie, cgroup), kListed));
        }
    }
    FSM_TRY(put_level(map, netns_cookie, now));
    for (const std::uint64_t cgroup : before.cgroups) {
        if (!now.cgroups.contains(cgroup)) {
            FSM_TRY(map.remove(key_of(netns_cookie, cgroup)));
        }
    }
    return {};
}

Result<std::map<std::uint64_t, OtherContainers>> read_other_containers(const ContainersMap& map) {
    std::map<std::uint64_t, OtherContainers> pods;
    FSM_ASSIGN(const auto entries, map.entries());
    for (const auto& [key, value] : entries) {
        if (key.cgroup_id == FSM_LEVEL_OF_CONTAINERS) {
            pods[key.netns_cookie].level = value;
        } else {
            pods[key.netns_cookie].cgroups.insert(key.cgroup_id);
        }
    }
    return pods;
}

}  // namespace fsm
