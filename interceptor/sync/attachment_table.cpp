#include "interceptor/sync/attachment_table.h"

#include <algorithm>

namespace fsm {

std::optional<AttachmentState> AttachmentTable::find(const AttachmentKey& key) const {
    const std::lock_guard guard(mutex_);
    const auto found = states_.find(key);
    return found == states_.end() ? std::nullopt : std::optional(found->second);
}

void AttachmentTable::put(const AttachmentState& state) {
    const std::lock_guard guard(mutex_);
    states_.insert_or_assign(state.attachment.key, state);
}

void AttachmentTable::erase(const AttachmentKey& key) {
    const std::lock_guard guard(mutex_);
    states_.erase(key);
}

void AttachmentTable::plan_again(std::uint64_t netns_cookie) {
    const std::lock_guard guard(mutex_);
    for (auto& [key, state] : states_) {
        if (state.attachment.netns_cookie == netns_cookie) {
            state.plan_again = true;
        }
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

std::vector<AttachmentKey> AttachmentTable::keys_that_may_be(const PodName& pod) const {
    return keys_where([&](const AttachmentState& state) {
        const PodName& attached = state.attachment.pod;
        // A runtime's name for a pod that was not known can differ from the pod's own.
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

bool AttachmentTable::has_other(const AttachmentKey& key,
                                const std::function<bool(const AttachmentState&)>& fits) const {
    const std::lock_guard guard(mutex_);
    return std::any_of(states_.begin(), states_.end(),
                       [&](const auto& entry) { return entry.first != key && fits(entry.second); });
}

std::string AttachmentTable::first_interface(std::uint64_t netns_cookie) const {
    const std::lock_guard guard(mutex_);
    std::string first;
    for (const auto& [key, state] : states_) {
        if (state.attachment.netns_cookie == netns_cookie &&
            (first.empty() || key.ifname < first)) {
            first = key.ifname;
        }
    }
    return first;
}

}  // namespace fsm
