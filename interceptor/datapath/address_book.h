// AddressBook: the addresses of each pod, and the pod of this node that an address belongs to.
//
// The two differ. Addresses on a pod's interfaces may be the pod's own doing, and count only in its
// own network namespace; two pods may have the same. On the node, an address belongs to the pod to
// which the cluster has assigned it, and is never taken from a living pod: a second pod that has it
// is reported, and gets it when the first one is gone.
//
// Threads: every function may be called from any thread; calls for one pod must not overlap.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "common/ip_address.h"
#include "common/result.h"
#include "interceptor/datapath/datapath_maps.h"
#include "interceptor/datapath/undo_log.h"
#include "interceptor/interception/enrolment.h"

namespace fsm {

class AddressBook {
  public:
    using Cookie = std::uint64_t;
    // A pod with more addresses on its interfaces is not refused: connections to the others are
    // treated as connections to other hosts.
    static constexpr std::size_t kOwnAddresses = 256;

    // `is_alive`: whether the namespace of an enrolled pod exists; called only for conflicts, and
    // may be slow.
    AddressBook(PodIpsMap pod_ips, AddressesMap own, std::function<bool(Cookie)> is_alive)
        : pod_ips_(pod_ips), own_(own), is_alive_(std::move(is_alive)) {}

    // Takes over an earlier process's entries of these pods; removes those of other pods.
    Result<void> learn(const std::set<Cookie>& pods);

    // Adds these addresses to the pod.
    Result<void> add(const PodEnrolment& pod, UndoLog& undo);
    // Sets the pod's addresses. If the assigned ones are unknown, earlier assigned ones stay while
    // the pod has them.
    Result<void> keep_only(const PodEnrolment& pod);
    Result<void> forget(Cookie pod);

    // Whether the maps contain what add() has written; the error names the differences.
    Result<void> check(const PodEnrolment& pod) const;
    // Addresses on this pod's interfaces that belong to another living pod.
    Result<std::vector<AddressConflict>> conflicts(const PodEnrolment& pod) const;

    std::vector<IpAddress> of(Cookie pod) const;

  private:
    struct Entries {
        std::set<IpAddress> own;
        std::set<IpAddress> given;
    };

    Result<void> go_back(Cookie pod, const Entries& before);
    // The address becomes the pod's, unless it belongs to another living one.
    Result<void> claim(Cookie pod, const IpAddress& address);
    Result<std::optional<Cookie>> owner_of(const IpAddress& address) const;
    // Nothing: the pod may have it.
    Result<std::optional<Cookie>> other_living_owner(Cookie pod, const IpAddress& address) const;

    // With mutex_ held.
    bool lives(Cookie pod) const;
    Result<void> reduce_to(Cookie pod, const Entries& wanted);
    Result<void> remove_given(Cookie pod, const IpAddress& address);

    const PodIpsMap pod_ips_;
    const AddressesMap own_;
    const std::function<bool(Cookie)> is_alive_;
    mutable std::mutex mutex_;
    std::map<Cookie, Entries> pods_;
};

}  // namespace fsm
