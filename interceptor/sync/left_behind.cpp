#include "interceptor/sync/left_behind.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "interceptor/log/log.h"

namespace fsm {

namespace {

const EnrolledPod* find_cookie(const std::vector<EnrolledPod>& held, std::uint64_t cookie) {
    const auto found = std::find_if(held.begin(), held.end(), [&](const EnrolledPod& pod) {
        return pod.netns_cookie == cookie;
    });
    return found == held.end() ? nullptr : &*found;
}

}  // namespace

Result<void> LeftBehind::take_over() {
    FSM_ASSIGN(auto loaded, attachments_.store().load());
    set_aside_ = std::move(loaded.set_aside);
    for (const auto& problem : loaded.problems) {
        conditions_.report(Component::attachments, problem);
    }
    FSM_ASSIGN(const auto held, inspection_.pods());
    for (auto& attachment : loaded.attachments) {
        adopt(std::move(attachment), held);
    }
    for (const auto& pod : held) {
        held_at_start_.insert(pod.netns_cookie);
    }
    return {};
}

void LeftBehind::name_unknown_pods() {
    unknown_pods_.merge(held_at_start_);
    recheck_unknown_pods();
}

void LeftBehind::adopt(Attachment attachment, const std::vector<EnrolledPod>& held) {
    if (attachment.boot_id != namespaces_.boot_id()) {
        log::info(log::Pod{attachment.pod.to_string()},
                  "attachment {} is of an earlier boot, dropped", attachment.key.to_string());
        attachments_.drop(attachment.key);
        return;
    }
    AttachmentState state;
    state.attachment = std::move(attachment);
    if (const auto* enrolled = find_cookie(held, state.attachment.netns_cookie)) {
        state.membership = Membership::in_mesh;
        state.enrolled = *enrolled;
    } else {
        state.reason = "not found in the pod source since the interceptor's start";
    }
    attachments_.table().put(state);
}

void LeftBehind::look() {
    check_set_aside_files();
    recheck_unknown_pods();
}

// Until the runtime's DEL, or until the pod is found running.
void LeftBehind::recheck_unknown_pods() {
    if (unknown_pods_.empty()) {
        return;
    }
    const auto held = inspection_.pods();
    if (!held) {
        return;
    }
    std::set<std::uint64_t> cookies;
    std::transform(held->begin(), held->end(), std::inserter(cookies, cookies.end()),
                   [](const EnrolledPod& pod) { return pod.netns_cookie; });
    std::erase_if(unknown_pods_, [&](std::uint64_t cookie) {
        return !cookies.contains(cookie) || !attachments_.table().keys_in(cookie).empty();
    });
    std::vector<Problem> unknown;
    for (const std::uint64_t cookie : unknown_pods_) {
        const std::string text = std::to_string(cookie);
        unknown.push_back({text, "the data path holds a pod with netns cookie " + text +
                                     " that no attachment on disk names; it stays intercepted as "
                                     "it is until it is deleted. Restart the pod"});
    }
    conditions_.replace(Component::attachments, "unknown pod ", std::move(unknown));
}

// A file that was set aside is a problem until an operator deletes it.
void LeftBehind::check_set_aside_files() {
    const AttachmentStore& store = attachments_.store();
    const auto files = store.set_aside();
    if (!files) {
        return;  // STATUS reports that the directory cannot be used
    }
    std::vector<Problem> problems;
    for (const std::string& file : *files) {
        const auto why = set_aside_.find(file);
        problems.push_back(
            {file, why != set_aside_.end() ? why->second : store.describe_set_aside(file)});
    }
    std::erase_if(set_aside_, [&](const auto& entry) {
        return std::find(files->begin(), files->end(), entry.first) == files->end();
    });
    conditions_.replace(Component::attachments, "file ", std::move(problems));
}

}  // namespace fsm
