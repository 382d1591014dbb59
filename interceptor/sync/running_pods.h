// Finds the pods that run on this node without the container runtime: by the pod's uid in the
// cgroup paths of processes, where every kubelet puts it.
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

// The namespace to which a path leads now, without opening it; nullopt if there is none.
std::optional<NetnsIdentity> netns_identity_at(const std::string& path);

// Parses a cgroup path: ".../kubepods/burstable/pod<uid>/<container>",
// ".../kubepods-burstable-pod<uid with _>.slice/cri-containerd-<container>.scope", with any prefix
// or suffix. For pods in pods (a node that runs in a pod), the innermost one.
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
    // The id of the first container: the sandbox, if the runtime has a process in it.
    std::string container_id;
    NetnsIdentity netns;
    // The path of the runtime's bind mount of the namespace, if it is found; otherwise a path below
    // a process.
    std::string netns_path;
    // The start of its oldest process, by CLOCK_BOOTTIME.
    std::chrono::nanoseconds started{};
};

// The pods that have processes, by uid. Processes in one of `never` (the node's own namespaces) are
// ignored. Walks over all processes once.
Result<std::map<std::string, RunningPod>> find_running_pods(
    const HostPaths& paths, const std::set<std::string>& uids,
    const std::vector<NetnsIdentity>& never);

}  // namespace fsm
