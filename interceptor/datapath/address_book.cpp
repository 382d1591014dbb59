#include "interceptor/datapath/address_book.h"

#include <algorithm>

#include "common/failures.h"
#include "interceptor/datapath/policy.h"

namespace fsm {
namespace {

constexpr std::uint8_t kListed = 1;

fsm_own_address own_key(std::uint64_t pod, const IpAddress& address) {
    fsm_own_address key{};
    key.netns_cookie = pod;
    key.address = map_address(address);
    return key;
}

// The addresses on the pod's interfaces, up to the limit of the map.
std::set<IpAddress> own_addresses(const PodEnrolment& pod) {
    std::set<IpAddress> own;
    const auto add = [&](const IpAddress& address) {
        if (own.size() < AddressBook::kOwnAddresses) {
            own.insert(address);
        }
    };
    std::for_each(pod.addresses.begin(), pod.addresses.end(), add);
    std::for_each(pod.link_locals.begin(), pod.link_locals.end(), add);
    return own;
}

std::set<IpAddress> without(const std::set<IpAddress>& from, const std::set<IpAddress>& kept) {
    std::set<IpAddress> rest;
    std::set_difference(from.begin(), from.end(), kept.begin(), kept.end(),
                        std::inserter(rest, rest.end()));
    return rest;
}

}  // namespace

Result<void> AddressBook::learn(const std::set<Cookie>& pods) {
    const std::lock_guard guard(mutex_);
    FSM_ASSIGN(const auto given, pod_ips_.entries());
    for (const auto& [address, pod] : given) {
        if (pods.contains(pod)) {
            pods_[pod].given.insert(ip_address(address));
        } else {
            FSM_TRY(pod_ips_.remove(address));
        }
    }
    FSM_ASSIGN(const auto own, own_.entries());
    for (const auto& [key, listed] : own) {
        if (pods.contains(key.netns_cookie)) {
            pods_[key.netns_cookie].own.insert(ip_address(key.address));
        } else {
            FSM_TRY(own_.remove(key));
        }
    }
    return {};
}

Result<std::optional<AddressBook::Cookie>> AddressBook::owner_of(const IpAddress& address) const {
    return pod_ips_.lookup(map_address(address));
}

bool AddressBook::lives(Cookie pod) const {
    return pods_.contains(pod) && is_alive_(pod);
}

Result<std::optional<AddressBook::Cookie>> AddressBook::other_living_owner(
    Cookie pod, const IpAddress& address) const {
    FSM_ASSIGN(const auto owner, owner_of(address));
    if (!owner || *owner == pod) {
        return std::optional<Cookie>();
    }
    const std::lock_guard guard(mutex_);
    return lives(*owner) ? owner : std::nullopt;
}

// The lock is not held while the maps are written, except for an address that has an owner:
// otherwise pods that start at the same time would wait for each other.
Result<void> AddressBook::add(const PodEnrolment& pod, UndoLog& undo) {
    const Cookie cookie = pod.netns_cookie;
    const std::set<IpAddress> own = own_addresses(pod);
    {
        const std::lock_guard guard(mutex_);
        Entries& entries = pods_[cookie];
        undo.add([this, cookie, before = entries] { return go_back(cookie, before); });
        entries.own.insert(own.begin(), own.end());
    }
    for (const IpAddress& address : own) {
        FSM_TRY(own_.put(own_key(cookie, address), kListed));
    }
    for (const IpAddress& address : pod.given) {
        FSM_TRY(claim(cookie, address));
    }
    return {};
}

Result<void> AddressBook::claim(Cookie pod, const IpAddress& address) {
    FSM_ASSIGN(const bool unclaimed, pod_ips_.put_new(map_address(address), pod));
    const std::lock_guard guard(mutex_);
    if (!unclaimed) {
        FSM_ASSIGN(const auto owner, owner_of(address));
        if (owner && *owner != pod && lives(*owner)) {
            return {};
        }
        FSM_TRY(pod_ips_.put(map_address(address), pod));
    }
    pods_[pod].given.insert(address);
    return {};
}

// Unless it belongs to another pod by now.
Result<void> AddressBook::remove_given(Cookie pod, const IpAddress& address) {
    FSM_ASSIGN(const auto owner, owner_of(address));
    if (owner == pod) {
        FSM_TRY(pod_ips_.remove(map_address(address)));
    }
    return {};
}

Result<void> AddressBook::keep_only(const PodEnrolment& pod) {
    const std::lock_guard guard(mutex_);
    Entries wanted{own_addresses(pod), pod.given};
    if (pod.given.empty()) {
        // If the assigned addresses are unknown now, a former one stays the pod's as long as the
        // pod has it.
        const std::set<IpAddress>& given = pods_[pod.netns_cookie].given;
        std::set_intersection(given.begin(), given.end(), wanted.own.begin(), wanted.own.end(),
                              std::inserter(wanted.given, wanted.given.end()));
    }
    return reduce_to(pod.netns_cookie, wanted);
}

Result<void> AddressBook::forget(Cookie pod) {
    const std::lock_guard guard(mutex_);
    return reduce_to(pod, Entries());
}

Result<void> AddressBook::go_back(Cookie pod, const Entries& before) {
    const std::lock_guard guard(mutex_);
    return reduce_to(pod, before);
}

Result<void> AddressBook::reduce_to(Cookie pod, const Entries& wanted) {
    const auto found = pods_.find(pod);
    if (found == pods_.end()) {
        return {};
    }
    Entries& entries = found->second;
    Failures failures;
    for (const IpAddress& address : without(entries.own, wanted.own)) {
        const auto removed = own_.remove(own_key(pod, address));
        failures.note(removed);
        if (removed) {
            entries.own.erase(address);
        }
    }
    for (const IpAddress& address : without(entries.given, wanted.given)) {
        const auto removed = remove_given(pod, address);
        failures.note(removed);
        if (removed) {
            entries.given.erase(address);
        }
    }
    if (entries.own.empty() && entries.given.empty()) {
        pods_.erase(found);
    }
    return failures.result();
}

Result<void> AddressBook::check(const PodEnrolment& pod) const {
    for (const IpAddress& address : own_addresses(pod)) {
        FSM_ASSIGN(const auto listed, own_.lookup(own_key(pod.netns_cookie, address)));
        if (!listed) {
            return Error("the map of addresses lacks the pod's " + address.to_string());
        }
    }
    for (const IpAddress& address : pod.given) {
        FSM_ASSIGN(const auto owner, owner_of(address));
        FSM_ASSIGN(const auto other, other_living_owner(pod.netns_cookie, address));
        if (owner != pod.netns_cookie && !other) {
            return Error("the pod's address " + address.to_string() + " does not lead to it");
        }
    }
    return {};
}

Result<std::vector<AddressConflict>> AddressBook::conflicts(const PodEnrolment& pod) const {
    std::set<IpAddress> all(pod.addresses.begin(), pod.addresses.end());
    all.insert(pod.given.begin(), pod.given.end());
    std::vector<AddressConflict> conflicts;
    for (const IpAddress& address : all) {
        FSM_ASSIGN(const auto other, other_living_owner(pod.netns_cookie, address));
        if (other) {
            conflicts.push_back({address, *other});
        }
    }
    return conflicts;
}

std::vector<IpAddress> AddressBook::of(Cookie pod) const {
    const std::lock_guard guard(mutex_);
    const auto found = pods_.find(pod);
    if (found == pods_.end()) {
        return {};
    }
    std::vector<IpAddress> addresses;
    std::copy_if(found->second.own.begin(), found->second.own.end(), std::back_inserter(addresses),
                 [](const IpAddress& address) { return !address.is_link_local(); });
    return addresses;
}

}  // namespace fsm
