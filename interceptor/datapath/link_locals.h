// LinkLocals: which pod an IPv6 link-local address leads to.
//
// Such an address is unique on its link, not on a node, and the programs know a pod by its address
// alone: with an address that two pods have, they would give one pod's connections to the other's
// sidecar. So an address of one pod is in the map with that pod's cookie, and one of several with
// no pod's (FSM_NO_POD): its connections are left alone.
//
// Threads: every function may be called from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>

#include "common/ip_address.h"
#include "common/result.h"
#include "interceptor/datapath/bpf_map.h"

namespace fsm {

class LinkLocals {
  public:
    // `pod_ips`: address -> netns cookie (fsm_pod_ips). It outlives this.
    explicit LinkLocals(const BpfMap& pod_ips) : pod_ips_(pod_ips) {}

    // What an earlier process has left of a pod, or of several (FSM_NO_POD). Of which ones is not
    // known then: forget_ambiguous() when all of them have been set.
    void learn(const IpAddress& address, std::uint64_t netns_cookie);
    Result<void> forget_ambiguous();

    // The pod has these and no others; none: it goes. On failure the map may lack an address, and
    // never leads to the wrong pod.
    Result<void> set(std::uint64_t netns_cookie, const std::set<IpAddress>& addresses);
    std::set<IpAddress> of(std::uint64_t netns_cookie) const;

  private:
    // With the lock held.
    Result<void> publish(const IpAddress& address) const;

    const BpfMap& pod_ips_;
    mutable std::mutex mutex_;
    // Cookies, FSM_NO_POD among them. Both say the same, and have no empty sets.
    std::map<IpAddress, std::set<std::uint64_t>> owners_;
    std::map<std::uint64_t, std::set<IpAddress>> addresses_;
};

}  // namespace fsm
