#include "interceptor/sync/attachment_life_cycle.h"

#include <set>
#include <utility>

namespace fsm {

// A found pod's attachments may belong to another container's lock. All locks are taken at once:
// with the first ones held, `concerned` is called again, until it returns nothing new.
AttachmentLifeCycle::Locks AttachmentLifeCycle::lock_containers(
    const std::string& container, const std::function<std::vector<AttachmentKey>()>& concerned) {
    std::set<std::string> containers = {container};
    while (true) {
        auto locks = locks_.lock_all(containers);
        const std::size_t locked = containers.size();
        for (const AttachmentKey& key : concerned()) {
            containers.insert(key.container_id);
        }
        if (containers.size() == locked) {
            return locks;
        }
    }
}

Result<void> AttachmentLifeCycle::begin(const AttachmentState& state) {
    FSM_TRY(store_.save(state.attachment));
    table_.put(state);
    return {};
}

Result<void> AttachmentLifeCycle::save(const Attachment& attachment) {
    auto saved = store_.save(attachment);
    if (!saved) {
        saved = std::move(saved.error())
                    .within("remember pod " + attachment.pod.to_string() +
                            ", tried again; make room in the state directory");
    }
    conditions_.follow(Component::attachments, "remember " + attachment.key.to_string(), saved);
    return saved;
}

void AttachmentLifeCycle::take_back(const AttachmentState& state, const Netns& netns,
                                    const std::optional<AttachmentState>& previous) {
    const AttachmentKey& key = state.attachment.key;
    auto undone = previous ? store_.save(previous->attachment) : store_.remove(key);
    if (previous) {
        table_.put(*previous);
    } else {
        table_.erase(key);
        if (auto detached = keeper_.detach(state, &netns); !detached) {
            undone = std::move(detached);
        }
    }
    if (!undone) {
        conditions_.report(Component::attachments, "undo the attachment " + key.to_string() + ": " +
                                                       undone.error().message());
    }
}

Result<void> AttachmentLifeCycle::end(const AttachmentState& state, const Netns* netns) {
    const AttachmentKey& key = state.attachment.key;
    FSM_TRY(keeper_.detach(state, netns));
    FSM_TRY(store_.remove(key));
    table_.erase(key);
    conditions_.clear(Component::attachments, "remember " + key.to_string());
    conditions_.clear(Component::attachments, "withdraw " + key.to_string());
    return {};
}

void AttachmentLifeCycle::drop(const AttachmentKey& key) {
    if (auto removed = store_.remove(key); !removed) {
        conditions_.report(Component::attachments, removed.error().message() + "; delete the file");
    }
    table_.erase(key);
}

}  // namespace fsm
