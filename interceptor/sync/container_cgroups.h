// ContainerCgroups: passes to the data path which cgroups of an enrolled pod belong to containers
// other than its sidecar, so that an application with the sidecar's uid does not count as the
// sidecar.
//
// It finds the other containers' cgroups, not the sidecar's: otherwise a restarted sidecar would
// count as an application until its new cgroup is found. Unknown containers are judged by their
// uid.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "common/result.h"
#include "interceptor/interception/container_registry.h"
#include "interceptor/pod/pod.h"

namespace fsm {

// The ids of the pod's running containers that are not its sidecar. Init containers, which end
// before the application starts, are omitted: istio-validation runs as the sidecar's user, and
// meshes recommend its uid for init containers that need the network before the sidecar runs.
std::set<std::string> containers_beside(const std::string& sidecar, const Pod& pod);

struct CgroupOfContainer {
    std::uint64_t id = 0;
    std::uint32_t level = 0;  // the root of the hierarchy has 0

    bool operator==(const CgroupOfContainer&) const = default;
};

// The level of a cgroup2 directory in its hierarchy. An error if only a part of the hierarchy is
// mounted, so that the root is not visible.
Result<std::uint32_t> level_of_cgroup(const std::string& directory);

// The cgroups of those containers by container id, below a cgroup2 directory, where kubelets and
// runtimes create them (running_pods.h). Containers without a cgroup there are not in the result.
std::map<std::string, CgroupOfContainer> find_container_cgroups(
    const std::string& directory, std::uint32_t level, const std::set<std::string>& container_ids);

// Threads: every function may be called from any thread. The data path must outlive it.
class ContainerCgroups {
  public:
    // `directory`: a cgroup2 directory below which containers are searched. Empty: no search.
    ContainerCgroups(ContainerRegistry& datapath, std::string directory);

    // The ids of the pod's running containers that are not its sidecar.
    void set_wanted(std::uint64_t netns_cookie, std::set<std::string> others);

    // Searches for cgroups of new containers, passes the changes to the data path, and drops pods
    // that are no longer attached. Cheap if nothing has changed.
    Result<void> refresh(const std::function<bool(std::uint64_t)>& is_attached);

  private:
    struct PodContainers {
        std::set<std::string> wanted;
        std::map<std::string, CgroupOfContainer> found;
        int searches = 0;  // unsuccessful ones since `wanted` has changed
    };

    Result<void> read_stored();
    void search();
    Result<void> tell(std::uint64_t netns_cookie, const OtherContainers& now);

    ContainerRegistry& datapath_;
    std::string directory_;
    std::uint32_t level_ = 0;
    std::mutex mutex_;
    std::map<std::uint64_t, PodContainers> pods_;
    // The data path's state; absent until it was read.
    std::optional<std::map<std::uint64_t, OtherContainers>> told_;
};

}  // namespace fsm
