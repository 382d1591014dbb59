#include "interceptor/sync/attachment_table.h"

#include <algorithm>

namespace fsm {

std::optional<AttachmentState> AttachmentTable::find(const AttachmentKey& key) const {
    const std::lock_guard guard(mutex_);
    const auto found = states_.find(key);
    return found == states_.end() ? std::nullopt : std::optional(found->second);
}

void AttachmentTable::put(const AttachmentState& state) {
    const AttachmentKey& key = state.attachment.key;
    const std::lock_guard guard(mutex_);
    if (const auto former = states_.find(key); former != states_.end()) {
        by_netns_.erase({former->second.attachment.netns_cookie, key});
    }
    states_.insert_or_assign(key, state);
    by_netns_.emplace(state.attachment.netns_cookie, key);
}

void AttachmentTable::erase(const AttachmentKey& key) {
    const std::lock_guard guard(mutex_);
    const auto found = states_.find(key);
    if (found != states_.end()) {
        by_netns_.erase({found->second.attachment.netns_cookie, key});
        states_.erase(found);
    }
}

void AttachmentTable::plan_again(std::uint64_t netns_cookie) {
    const std::lock_guard guard(mutex_);
    for (const AttachmentKey& key : find_in(netns_cookie)) {
        states_.at(key).plan_again = true;
    }
}

std::vector<AttachmentKey> AttachmentTable::keys() const {
    return keys_where([](const AttachmentState&) { return true; });
}

std::vector<AttachmentKey> AttachmentTable::keys_where(
    const std::function<bool(const AttachmentState&)>& fits) const {
    std::vector<AttachmentKey> keys;
    for_each([&](const AttachmentState& state) {
        if (fits(state)) {
            keys.push_back(state.attachment.key);
        }
    });
    return keys;
}

std::vector<AttachmentKey> AttachmentTable::candidate_keys(const PodName& pod) const {
    return keys_where([&](const AttachmentState& state) {
        const PodName& attached = state.attachment.pod;
        // If the pod was unknown, the runtime's name for it can differ from the source's.
        return attached == pod ||
               (state.membership == Membership::unknown && !attached.name.empty());
    });
}

std::vector<AttachmentState> AttachmentTable::all() const {
    std::vector<AttachmentState> states;
    for_each([&](const AttachmentState& state) { states.push_back(state); });
    return states;
}

void AttachmentTable::for_each(const std::function<void(const AttachmentState&)>& visit) const {
    const std::lock_guard guard(mutex_);
    for (const auto& [key, state] : states_) {
        visit(state);
    }
}

std::vector<AttachmentKey> AttachmentTable::find_in(std::uint64_t netns_cookie) const {
    std::vector<AttachmentKey> keys;
    for (auto entry = by_netns_.lower_bound({netns_cookie, {}});
         entry != by_netns_.end() && entry->first == netns_cookie; ++entry) {
        keys.push_back(entry->second);
    }
    return keys;
}

std::vector<AttachmentKey> AttachmentTable::keys_in(std::uint64_t netns_cookie) const {
    const std::lock_guard guard(mutex_);
    return find_in(netns_cookie);
}

std::set<IpAddress> AttachmentTable::given_in(std::uint64_t netns_cookie) const {
    const std::lock_guard guard(mutex_);
    std::set<IpAddress> given;
    for (const AttachmentKey& key : find_in(netns_cookie)) {
        const auto& of_one = states_.at(key).given;
        given.insert(of_one.begin(), of_one.end());
    }
    return given;
}

std::optional<PodName> AttachmentTable::pod_in(std::uint64_t netns_cookie) const {
    const std::lock_guard guard(mutex_);
    const auto keys = find_in(netns_cookie);
    return keys.empty() ? std::nullopt : std::optional(states_.at(keys.front()).attachment.pod);
}

bool AttachmentTable::has_other_in(std::uint64_t netns_cookie, const AttachmentKey& key,
                                   const std::function<bool(const AttachmentState&)>& fits) const {
    const std::lock_guard guard(mutex_);
    const auto keys = find_in(netns_cookie);
    return std::any_of(keys.begin(), keys.end(), [&](const AttachmentKey& other) {
        return other != key && fits(states_.at(other));
    });
}

std::vector<AttachmentKey> AttachmentTable::keys_of(const cni::Interface& interface) const {
    const std::lock_guard guard(mutex_);
    std::vector<AttachmentKey> keys;
    const AttachmentKey first = {interface.container_id, interface.ifname, ""};
    for (auto entry = states_.lower_bound(first);
         entry != states_.end() && entry->first.interface() == interface; ++entry) {
        keys.push_back(entry->first);
    }
    return keys;
}

std::string AttachmentTable::first_interface(std::uint64_t netns_cookie) const {
    const std::lock_guard guard(mutex_);
    std::string first;
    for (const AttachmentKey& key : find_in(netns_cookie)) {
        if (first.empty() || key.ifname < first) {
            first = key.ifname;
        }
    }
    return first;
}

}  // namespace fsm
