// RemovalWatch: whether the interceptor is being removed from the cluster or from this node, or
// only replaced.
//
// The pod is stopped in each case. It is a removal if the pod's DaemonSet is deleted or being
// deleted; it is a deselection if the DaemonSet exists but no longer selects this node (node
// selector, affinity, taints). It follows the DaemonSet while it runs; when queried, it queries the
// API once more, and an unknown answer counts as "replaced": then everything stays in place.
//
// Needs the verbs get, list and watch for the DaemonSet, which a Role can give by resourceNames,
// and get for the node.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "interceptor/kubernetes/cluster_access.h"
#include "interceptor/kubernetes/collection_watch.h"

namespace fsm {

// Why the interceptor's pod is stopped.
enum class StopReason : std::uint8_t { replacement, removal, deselection };

struct RemovalWatchOptions {
    std::string name_space;
    std::string daemon_set;
    std::string node;  // empty: unknown; then a stop is never a deselection
    std::chrono::milliseconds ask_time{3000};
    // How long 401 or 403 must last to count: an API server that has just started refuses every
    // client until it has loaded the RBAC rules.
    std::chrono::milliseconds refusal_time{5000};
    CollectionSettings collection;  // its path, selector and name are set here
};

// Threads: every function may be called from any thread, but for the destructor.
class RemovalWatch {
  public:
    // Starts watching.
    RemovalWatch(const ClusterAccess& access, RemovalWatchOptions options);
    ~RemovalWatch();
    RemovalWatch(const RemovalWatch&) = delete;
    RemovalWatch& operator=(const RemovalWatch&) = delete;

    // Takes a few seconds at most, some more if the API refuses the request.
    StopReason stop_reason();

    CollectionState state() const;

  private:
    class Implementation;

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace fsm
