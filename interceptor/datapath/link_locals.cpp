#include "interceptor/datapath/link_locals.h"

#include <algorithm>
#include <iterator>

#include "bpf/abi.h"
#include "interceptor/datapath/policy.h"

namespace fsm {

void LinkLocals::learn(const IpAddress& address, std::uint64_t netns_cookie) {
    const std::lock_guard guard(mutex_);
    owners_[address].insert(netns_cookie);
    addresses_[netns_cookie].insert(address);
}

Result<void> LinkLocals::forget_ambiguous() {
    return set(FSM_NO_POD, {});
}

std::set<IpAddress> LinkLocals::of(std::uint64_t netns_cookie) const {
    const std::lock_guard guard(mutex_);
    const auto found = addresses_.find(netns_cookie);
    return found == addresses_.end() ? std::set<IpAddress>() : found->second;
}

Result<void> LinkLocals::set(std::uint64_t netns_cookie, const std::set<IpAddress>& addresses) {
    const std::lock_guard guard(mutex_);
    auto& present = addresses_[netns_cookie];
    std::set<IpAddress> changed;
    std::set_symmetric_difference(present.begin(), present.end(), addresses.begin(),
                                  addresses.end(), std::inserter(changed, changed.end()));
    present = addresses;
    if (addresses.empty()) {
        addresses_.erase(netns_cookie);
    }
    Result<void> outcome;
    for (const IpAddress& address : changed) {
        auto& cookies = owners_[address];
        if (cookies.erase(netns_cookie) == 0) {
            cookies.insert(netns_cookie);
        }
        if (auto published = publish(address); !published) {
            outcome = std::move(published);
        }
        if (cookies.empty()) {
            owners_.erase(address);
        }
    }
    return outcome;
}

Result<void> LinkLocals::publish(const IpAddress& address) const {
    const auto& cookies = owners_.at(address);
    const struct fsm_address key = map_address(address);
    if (cookies.empty()) {
        FSM_TRY(pod_ips_.remove(key));
        return {};
    }
    const std::uint64_t owner = cookies.size() == 1 ? *cookies.begin() : FSM_NO_POD;
    return pod_ips_.put(key, owner);
}

}  // namespace fsm
