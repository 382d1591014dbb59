#include "interceptor/sync/attachment_removal.h"

#include <utility>

#include "common/failures.h"
#include "interceptor/log/log.h"

namespace fsm {

CniOutcome AttachmentRemoval::remove(const Removal& removal) {
    const auto locks = lock(removal);
    return remove_locked(removal);
}

AttachmentLifeCycle::Locks AttachmentRemoval::lock(const Removal& removal) {
    return attachments_.lock_containers(removal.key.container_id, [&] { return keys_of(removal); });
}

std::vector<AttachmentKey> AttachmentRemoval::keys_of(const Removal& removal) const {
    const AttachmentTable& table = std::as_const(attachments_).table();
    const cni::Interface interface = removal.key.interface();
    if (table.find(removal.key)) {
        return {removal.key};
    }
    if (removal.key.network.empty()) {
        if (auto keys = table.keys_of(interface); !keys.empty()) {
            return keys;
        }
    }
    // A pod that was found running has no network, and a synthetic container id if the runtime's
    // was not found.
    const auto netns = netns_identity_at(namespaces_.translate(removal.netns));
    return table.keys_where([&](const AttachmentState& state) {
        const Attachment& attachment = state.attachment;
        const bool same_container = attachment.key.container_id == interface.container_id;
        const bool same_pod = !removal.pod_uid.empty() && attachment.pod_uid == removal.pod_uid;
        const bool same_netns = netns && *netns == attachment.netns;
        return attachment.key.network.empty() && attachment.key.ifname == interface.ifname &&
               (same_container || same_pod || same_netns);
    });
}

CniOutcome AttachmentRemoval::remove_locked(const Removal& removal) {
    const auto keys = keys_of(removal);
    if (keys.empty()) {
        return remove_unknown(removal);
    }
    for (const AttachmentKey& key : keys) {
        const auto state = attachments_.table().find(key);
        auto removed = state ? remove_state(*state, removal) : CniOutcome();
        if (!removed) {
            return removed;
        }
    }
    return {};
}

CniOutcome AttachmentRemoval::remove_state(const AttachmentState& state, const Removal& removal) {
    const AttachmentKey& key = state.attachment.key;
    auto netns = namespaces_.open_if_same(state.attachment);
    if (!netns && !removal.netns.empty()) {
        // The path by which a pod was found may end before the pod does.
        auto given = namespaces_.open_at(namespaces_.translate(removal.netns));
        if (given && given->identity() == state.attachment.netns) {
            netns = std::move(*given);
        }
    }
    if (auto gone = attachments_.end(state, netns ? &*netns : nullptr); !gone) {
        return CniError(CniErrorCode::withdrawal_failed,
                        "cannot remove the attachment " + key.to_string(), gone.error().message());
    }
    log::info(log::Pod{state.attachment.pod.to_string()},
              "container={} interface={} network={} removed", removal.key.container_id, key.ifname,
              key.network);
    return {};
}

// For an attachment that is not stored, of a namespace that may still be enrolled. A namespace with
// another attachment stays enrolled.
CniOutcome AttachmentRemoval::remove_unknown(const Removal& removal) {
    const auto netns = namespaces_.open_at(namespaces_.translate(removal.netns));
    if (!netns) {
        return {};  // DEL succeeds without a namespace
    }
    const auto cookie = netns->cookie();
    if (!cookie) {
        return {};
    }
    AttachmentState stranger;
    stranger.attachment.key = removal.key;
    stranger.attachment.netns_cookie = *cookie;
    if (auto gone = attachments_.keeper().detach(stranger, &*netns); !gone) {
        return CniError(CniErrorCode::withdrawal_failed, "cannot withdraw " + removal.netns,
                        gone.error().message());
    }
    return {};
}

CniOutcome AttachmentRemoval::remove_stale(const cni::Network& network) {
    if (!network.valid_attachments) {
        return {};
    }
    const std::set<cni::Interface> valid(network.valid_attachments->begin(),
                                         network.valid_attachments->end());
    std::string failures;
    for (const AttachmentKey& key : attachments_.table().keys()) {
        if (key.network != network.name || valid.contains(key.interface())) {
            continue;
        }
        if (auto removed = remove(Removal{key, "", ""}); !removed) {
            failures += (failures.empty() ? "" : "; ") + removed.error().message + ": " +
                        removed.error().details;
        }
    }
    if (!failures.empty()) {
        return CniError(CniErrorCode::collection_incomplete,
                        "not every stale attachment could be removed", failures);
    }
    return {};
}

void AttachmentRemoval::consume_deletion_notes() {
    const auto removal_of = [](const cni::DeletionNote& note) {
        return Removal{note.key, note.netns, ""};
    };
    std::vector<Problem> kept;
    const auto problems = notes_.consume(
        [&](const cni::DeletionNote& note) { return lock(removal_of(note)); },
        [&](const cni::DeletionNote& note) {
            const auto removed = remove_locked(removal_of(note));
            if (!removed) {
                const std::string name = note.key.to_string();
                kept.push_back({name, "deletion note of " + name +
                                          " is kept and tried again: " + removed.error().message +
                                          ": " + removed.error().details});
            }
            return static_cast<bool>(removed);
        });
    conditions_.replace(Component::attachments, "deletion note ", std::move(kept));
    for (const auto& garbled : problems) {
        conditions_.report(Component::attachments, garbled);
    }
}

}  // namespace fsm
