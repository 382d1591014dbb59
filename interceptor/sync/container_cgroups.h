// ContainerCgroups: keeps the data path informed which cgroups of an enrolled pod belong to
// containers other than its sidecar, so that an application with the sidecar's uid is not taken for
// it.
//
// The others are identified, and not the sidecar: one that has just been started again must never
// be taken for an application, and until its new cgroup were found it would be. What is not known
// counts as before, by its uid.
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
// before the application starts, are left out: meshes check their interception in one that runs as
// the sidecar's user (istio-validation), and tell users to give that uid to one that needs the
// network before the sidecar is there.
std::set<std::string> containers_beside(const std::string& sidecar, const Pod& pod);

struct CgroupOfContainer {
    std::uint64_t id = 0;
    std::uint32_t level = 0;  // the root of the hierarchy has 0

    bool operator==(const CgroupOfContainer&) const = default;
};

// How deep a directory of cgroup2 is in its hierarchy. An error where the root cannot be seen: only
// a part of the hierarchy is mounted.
Result<std::uint32_t> level_of_cgroup(const std::string& directory);

// The cgroups of those containers, by the containers' ids, below a directory of cgroup2: where
// kubelets and runtimes make them (running_pods.h). What has none there is missing in the answer.
std::map<std::string, CgroupOfContainer> find_container_cgroups(
    const std::string& directory, std::uint32_t level, const std::set<std::string>& container_ids);

// Threads: every function may be called from any thread. The data path must outlive it.
class ContainerCgroups {
  public:
    // `directory`: of cgroup2; containers are looked for below it. Empty: none is looked for.
    ContainerCgroups(ContainerRegistry& datapath, std::string directory);

    // The ids of the pod's running containers that are not its sidecar.
    void know(std::uint64_t netns_cookie, std::set<std::string> others);

    // Looks for cgroups of containers that are new, tells the data path what has changed, and
    // forgets the pods that are not attached any more. Cheap when nothing has changed.
    Result<void> refresh(const std::function<bool(std::uint64_t)>& is_attached);

  private:
    struct PodContainers {
        std::set<std::string> wanted;
        std::map<std::string, CgroupOfContainer> found;
        int searches = 0;  // in vain, since `wanted` has changed
    };

    Result<void> learn_told();
    void search();
    Result<void> tell(std::uint64_t netns_cookie, const OtherContainers& now);

    ContainerRegistry& datapath_;
    std::string directory_;
    std::uint32_t level_ = 0;
    std::mutex mutex_;
    std::map<std::uint64_t, PodContainers> pods_;
    // What the data path holds; absent until it was asked.
    std::optional<std::map<std::uint64_t, OtherContainers>> told_;
};

}  // namespace fsm
