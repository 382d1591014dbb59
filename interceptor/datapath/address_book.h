// AddressBook: which addresses pods have, and which pod of this node an address leads to.
//
// The two are not the same. What stands on a pod's interfaces is the pod's own doing, too, and
// counts in its own network namespace only; two pods may have the same. What leads to a pod from
// anywhere on the node is what the cluster has given to it, and is never taken from a pod that
// lives: a second pod that has it is told, and gets it when the first one is gone.
//
// Threads: every function may be called from any thread; calls that change one pod come one after
// the other.
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
    // A pod with more addresses on its interfaces is not refused: connections to those beyond are
    // treated as connections to elsewhere.
    static constexpr std::size_t kOwnAddresses = 256;

    // `is_alive`: whether the
    // namespace of an enrolled pod exists; called for conflicts alone, and may be slow.
    AddressBook(PodIpsMap pod_ips, AddressesMap own, std::function<bool(Cookie)> is_alive)
        : pod_ips_(pod_ips), own_(own), is_alive_(std::move(is_alive)) {}

    // Takes over what an earlier process has left of these pods; what is left of others goes.
    Result<void> learn(const std::set<Cookie>& pods);

    // The pod has these as well.
    Result<void> add(const PodEnrolment& pod, UndoLog& undo);
    // The pod has these and no others. Where it is not known what the cluster has given to it, what
    // it had been given stays while it has it.
    Result<void> keep_only(const PodEnrolment& pod);
    Result<void> forget(Cookie pod);

    // Whether the maps hold what add() has written; the error names what they lack.
    Result<void> check(const PodEnrolment& pod) const;
    // Addresses on this pod's interfaces that lead to another pod, which lives.
    Result<std::vector<AddressConflict>> conflicts(const PodEnrolment& pod) const;

    std::vector<IpAddress> of(Cookie pod) const;

  private:
    struct Entries {
        std::set<IpAddress> own;
        std::set<IpAddress> given;
    };

    Result<void> go_back(Cookie pod, const Entries& before);
    // The pod gets the address, unless it leads to another one that lives.
    Result<void> claim(Cookie pod, const IpAddress& address);
    Result<std::optional<Cookie>> owner_of(const IpAddress& address) const;
    // Nothing: the pod may have it.
    Result<std::optional<Cookie>> living_owner_but(Cookie pod, const IpAddress& address) const;

    // With mutex_ held.
    std::optional<Cookie> if_living(Cookie owner) const;
    Result<void> reduce_to(Cookie pod, const Entries& wanted);
    Result<void> remove_given(Cookie pod, const IpAddress& address);

    const PodIpsMap pod_ips_;
    const AddressesMap own_;
    const std::function<bool(Cookie)> is_alive_;
    mutable std::mutex mutex_;
    std::map<Cookie, Entries> pods_;
};

}  // namespace fsm
