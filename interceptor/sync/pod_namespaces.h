// PodNamespaces: opens a pod's network namespace from the data of a container runtime or of the
// disk.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/sync/attachment_store.h"
#include "interceptor/sync/host_paths.h"
#include "interceptor/sync/running_pods.h"

namespace fsm {

// Threads: every function may be called from any thread. No namespace is held open between calls.
class PodNamespaces {
  public:
    static Result<PodNamespaces> open(const HostPaths& paths);

    // Translates a path of the runtime to this process's.
    std::string translate(const std::string& path) const { return paths_.translate(path); }
    // Refuses the node's own namespace. `path`: translated.
    Result<Netns> open_at(const std::string& path) const;
    // The attachment's namespace, if its path still leads to it.
    std::optional<Netns> open_if_same(const Attachment& attachment) const;
    bool is_alive(const Attachment& attachment) const;
    // The namespaces of the pods that have processes, by uid.
    Result<std::map<std::string, RunningPod>> find_running(const std::set<std::string>& uids) const;

    // Cookies and inodes are reused after a reboot.
    const std::string& boot_id() const { return boot_id_; }
    const std::string& proc() const { return paths_.proc; }

  private:
    PodNamespaces(HostPaths paths, std::string boot_id, std::vector<NetnsIdentity> host_netns)
        : paths_(std::move(paths)),
          boot_id_(std::move(boot_id)),
          host_netns_(std::move(host_netns)) {}

    HostPaths paths_;
    std::string boot_id_;
    std::vector<NetnsIdentity> host_netns_;  // never a pod's
};

}  // namespace fsm
