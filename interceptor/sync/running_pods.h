// Pods that run on this node, found without a container runtime: by the pod's uid in the cgroup
// paths of processes, which is where every kubelet puts it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/sync/host_paths.h"

namespace fsm {

// What the path of a namespace leads to now, without opening it; nullopt when it leads nowhere.
std::optional<NetnsIdentity> netns_identity_at(const std::string& path);

// What a cgroup path says: ".../kubepods/burstable/pod<uid>/<container>",
// ".../kubepods-burstable-pod<uid with _>.slice/cri-containerd-<container>.scope", whatever is
// before or behind. Of pods in pods (a node that runs in a pod) the innermost.
struct CgroupPlace {
    std::string pod_uid;
    std::string container_id;  // empty when the path ends with the pod
    std::size_t depth = 0;     // components below the pod: 1 for a container's own processes

    bool operator==(const CgroupPlace&) const = default;
};
std::optional<CgroupPlace> place_in_cgroup(std::string_view path);

// The same from the text of /proc/<pid>/cgroup, of version 1, 2, or both.
std::optional<CgroupPlace> place_of_process(std::string_view cgroup_file);

// One pod's network namespace.
struct RunningPod {
    // Of the container that was there first: the sandbox, where the runtime has a process in it.
    std::string container_id;
    NetnsIdentity netns;
    // Where a runtime has bound the namespace, if that is found; else below a process.
    std::string netns_path;
    // Its oldest process, by CLOCK_BOOTTIME.
    std::chrono::nanoseconds started{};
};

// Those of the pods that have processes, by uid. Processes in one of `never` (the node's own
// namespaces) do not count. One walk over all processes.
Result<std::map<std::string, RunningPod>> find_running_pods(
    const HostPaths& paths, const std::set<std::string>& uids,
    const std::vector<NetnsIdentity>& never);

}  // namespace fsm
