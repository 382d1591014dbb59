#include "interceptor/sync/pod_namespaces.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/boot_id.h"

namespace fsm {

Result<PodNamespaces> PodNamespaces::open(const HostPaths& paths) {
    FSM_ASSIGN(auto boot_id, current_boot_id());
    FSM_ASSIGN(const auto own, Netns::current());
    std::vector<NetnsIdentity> host_netns = {own.identity()};
    if (const auto host = netns_identity_at(paths.proc + "/1/ns/net")) {
        host_netns.push_back(*host);
    }
    return PodNamespaces(paths, std::move(boot_id), std::move(host_netns));
}

Result<Netns> PodNamespaces::open_at(const std::string& path) const {
    if (path.empty() || path.front() != '/') {
        return Error("the path of the network namespace must be absolute, it is \"" + path + "\"",
                     EINVAL);
    }
    if (path.find('\0') != std::string::npos) {
        return Error("the path of the network namespace has a zero byte in it", EINVAL);
    }
    FSM_ASSIGN(auto netns, Netns::open(path));
    if (std::find(host_netns_.begin(), host_netns_.end(), netns.identity()) != host_netns_.end()) {
        return Error(path + " is the node's own network namespace, not a pod's", EINVAL);
    }
    return netns;
}

bool PodNamespaces::is_alive(const Attachment& attachment) const {
    return attachment.boot_id == boot_id_ &&
           netns_identity_at(attachment.netns_path) == attachment.netns;
}

std::optional<Netns> PodNamespaces::open_if_same(const Attachment& attachment) const {
    if (!is_alive(attachment)) {
        return std::nullopt;
    }
    auto netns = open_at(attachment.netns_path);
    if (!netns || netns->identity() != attachment.netns) {
        return std::nullopt;
    }
    return std::move(*netns);
}

Result<std::map<std::string, RunningPod>> PodNamespaces::find_running(
    const std::set<std::string>& uids) const {
    return find_running_pods(paths_, uids, host_netns_);
}

}  // namespace fsm
