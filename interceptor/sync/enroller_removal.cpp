// The part of the Enroller that takes attachments away: DEL, GC, deletion notes.
#include <functional>
#include <set>
#include <utility>

#include "interceptor/log/log.h"
#include "interceptor/sync/enroller.h"

namespace fsm {

Result<void> Enroller::forget(const AttachmentState& state, const Netns* netns) {
    FSM_TRY(keeper_.detach(state, netns));
    FSM_TRY(store_.remove(state.attachment.key));
    table_.erase(state.attachment.key);
    conditions_.clear(Component::attachments, "remember " + state.attachment.key.to_string());
    conditions_.clear(Component::attachments, "withdraw " + state.attachment.key.to_string());
    return {};
}

Result<void> Enroller::save(const Attachment& attachment) {
    auto saved = store_.save(attachment);
    if (!saved) {
        saved = std::move(saved.error())
                    .within("remember pod " + attachment.pod.to_string() +
                            ", tried again; make room in the state directory");
    }
    conditions_.follow(Component::attachments, "remember " + attachment.key.to_string(), saved);
    return saved;
}

std::vector<AttachmentKey> Enroller::keys_of(const Removal& removal) const {
    const cni::Interface interface = removal.key.interface();
    if (table_.find(removal.key)) {
        return {removal.key};
    }
    if (removal.key.network.empty()) {
        if (auto keys = table_.keys_of(interface); !keys.empty()) {
            return keys;
        }
    }
    // What was found running has no network, and a container id of ours if the runtime's could not
    // be told.
    const auto netns = netns_identity_at(options_.host_paths.translate(removal.netns));
    return table_.keys_where([&](const AttachmentState& state) {
        const Attachment& attachment = state.attachment;
        const bool same_container = attachment.key.container_id == interface.container_id;
        const bool same_pod = !removal.pod_uid.empty() && attachment.pod_uid == removal.pod_uid;
        const bool same_netns = netns && *netns == attachment.netns;
        return attachment.key.network.empty() && attachment.key.ifname == interface.ifname &&
               (same_container || same_pod || same_netns);
    });
}

CniOutcome Enroller::remove(const cni::Request& request) {
    if (auto checked = cni::check_request(request, cni::Operation::del); !checked) {
        return checked;
    }
    // DEL succeeds with whatever configuration; a wrong one names no network.
    const auto network = cni::parse_network(request.stdin_data);
    const cni::Interface& interface = request.interface;
    return remove(
        Removal{{interface.container_id, interface.ifname, network ? network->name : std::string()},
                request.netns,
                cni::pod_of(request.args).uid});
}

CniOutcome Enroller::remove(const Removal& removal) {
    const auto locks = lock_containers(removal.key.container_id, [&] { return keys_of(removal); });
    return remove_locked(removal);
}

// What is found may have another container's lock. All locks are taken at once: with the first ones
// held, what is concerned is asked for again, until nothing new is.
Enroller::Locks Enroller::lock_containers(
    const std::string& container, const std::function<std::vector<AttachmentKey>()>& concerned) {
    std::set<std::string> containers = {container};
    while (true) {
        auto locks = container_locks_.lock_all(containers);
        const std::size_t locked = containers.size();
        for (const AttachmentKey& key : concerned()) {
            containers.insert(key.container_id);
        }
        if (containers.size() == locked) {
            return locks;
        }
    }
}

CniOutcome Enroller::remove_locked(const Removal& removal) {
    const auto keys = keys_of(removal);
    if (keys.empty()) {
        return remove_unknown(removal);
    }
    for (const AttachmentKey& key : keys) {
        const auto state = table_.find(key);
        auto removed = state ? remove_state(*state, removal) : CniOutcome();
        if (!removed) {
            return removed;
        }
    }
    return {};
}

CniOutcome Enroller::remove_state(const AttachmentState& state, const Removal& removal) {
    const AttachmentKey& key = state.attachment.key;
    auto netns = open_if_same(state.attachment);
    if (!netns && !removal.netns.empty()) {
        // The path by which a pod was found is not always the one that lasts.
        auto given = open_pod_netns(options_.host_paths.translate(removal.netns));
        if (given && given->identity() == state.attachment.netns) {
            netns = std::move(*given);
        }
    }
    if (auto gone = forget(state, netns ? &*netns : nullptr); !gone) {
        return CniError(CniErrorCode::withdrawal_failed,
                        "cannot remove the attachment " + key.to_string(), gone.error().message());
    }
    log::info("pod={} container={} interface={} network={} removed",
              state.attachment.pod.to_string(), removal.key.container_id, key.ifname, key.network);
    return {};
}

// An attachment that is not remembered, of a namespace that may be enrolled all the same. One that
// has another attachment stays enrolled.
CniOutcome Enroller::remove_unknown(const Removal& removal) {
    const auto netns = open_pod_netns(options_.host_paths.translate(removal.netns));
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
    if (auto gone = keeper_.detach(stranger, &*netns); !gone) {
        return CniError(CniErrorCode::withdrawal_failed, "cannot withdraw " + removal.netns,
                        gone.error().message());
    }
    return {};
}

CniOutcome Enroller::collect_garbage(std::string_view network_config) {
    const auto network = cni::parse_network(network_config);
    if (!network) {
        return network.error();
    }
    if (!network->valid_attachments) {
        return {};
    }
    const std::set<cni::Interface> valid(network->valid_attachments->begin(),
                                         network->valid_attachments->end());
    std::string failures;
    for (const auto& state : table_.all()) {
        const AttachmentKey& key = state.attachment.key;
        if (key.network != network->name || valid.count(key.interface()) != 0) {
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

void Enroller::consume_deletion_notes() {
    const auto removal_of = [](const cni::DeletionNote& note) {
        return Removal{note.key, note.netns, ""};
    };
    const auto lock = [&](const cni::DeletionNote& note) {
        return lock_containers(note.key.container_id, [&] { return keys_of(removal_of(note)); });
    };
    std::vector<Problem> kept;
    const auto problems = notes_.consume(lock, [&](const cni::DeletionNote& note) {
        const auto removed = remove_locked(removal_of(note));
        if (!removed) {
            kept.push_back(
                {note.key.to_string(), "deletion note of " + note.key.to_string() +
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
