#include "interceptor/sync/running_pod_finder.h"

#include <algorithm>
#include <optional>
#include <set>

#include "common/guarded.h"
#include "interceptor/log/log.h"
#include "interceptor/sync/netns_view.h"

namespace fsm {

namespace {

// The name of a pod's first interface in every Kubernetes runtime.
constexpr const char* kInterface = "eth0";

std::string interface_of(const NetnsView& view) {
    const auto& names = view.interfaces;
    return names.empty() || std::find(names.begin(), names.end(), kInterface) != names.end()
               ? kInterface
               : names.front();
}

Attachment attachment_of(const Pod& pod, const RunningPod& place, const NetnsView& view,
                         const std::string& boot_id) {
    Attachment attachment;
    attachment.key = {place.container_id, interface_of(view), ""};
    if (!cni::check_interface(attachment.key.interface())) {
        attachment.key.container_id = "pod-" + pod.uid;
    }
    attachment.netns_path = place.netns_path;
    attachment.netns = place.netns;
    attachment.netns_cookie = view.cookie;
    attachment.boot_id = boot_id;
    attachment.pod = pod.name;
    attachment.pod_uid = pod.uid;
    attachment.found_running = true;
    return attachment;
}

}  // namespace

std::map<std::string, Pod> RunningPodFinder::pods_without_attachment() const {
    const auto pods = parts_.source.list();
    std::map<std::string, Pod> missing;
    if (!pods) {
        return missing;  // not known is no reason to change anything
    }
    std::map<PodName, std::set<std::string>> attached;
    parts_.attachments.table().for_each([&](const AttachmentState& state) {
        attached[state.attachment.pod].insert(state.attachment.pod_uid);
    });
    for (const Pod& pod : *pods) {
        const auto known = attached.find(pod.name);
        const bool is_attached = known != attached.end() &&
                                 (known->second.contains(pod.uid) || known->second.contains(""));
        if (is_attached || pod.host_network || pod.uid.empty()) {
            continue;
        }
        if (needs_interception(parts_.rules.decide(pod))) {
            missing.emplace(pod.uid, pod);
        }
    }
    return missing;
}

void RunningPodFinder::enrol_running() {
    const auto missing = pods_without_attachment();
    std::set<std::string> uids;
    for (const auto& [uid, pod] : missing) {
        uids.insert(uid);
    }
    if (uids.empty()) {
        report_search({});  // those that it was about have ended, or have an attachment
    }
    if (!pace_.is_due(uids, SearchPace::Clock::now())) {
        return;
    }
    const auto running = parts_.namespaces.find_running(uids);
    Failures failures;
    failures.note(running);
    if (running) {
        for (const auto& [uid, place] : *running) {
            if (interrupted_) {
                return;
            }
            const Pod& pod = missing.at(uid);
            failures.note(guarded("pod " + pod.name.to_string(),
                                  [&, &where = place] { return enrol_found(pod, where); }));
        }
    }
    report_search(failures);
}

void RunningPodFinder::report_search(const Failures& failures) {
    parts_.conditions.follow(
        Component::reconciler, "search",
        failures.result("find pods that run without an attachment, which bypass their sidecars "
                        "until then; retried"));
}

Result<void> RunningPodFinder::enrol_found(const Pod& pod, const RunningPod& place) {
    const auto netns = parts_.namespaces.open_at(place.netns_path);
    if (!netns || netns->identity() != place.netns) {
        return {};  // it ended this very moment
    }
    const auto view = inspect_netns(*netns, kInterface);
    if (!view || view->addresses.empty()) {
        return {};  // the runtime is about to make its network, and will tell us
    }
    AttachmentLifeCycle& attachments = parts_.attachments;
    AttachmentState state;
    state.attachment = attachment_of(pod, place, *view, parts_.namespaces.boot_id());
    const Attachment& attachment = state.attachment;
    const auto lock = attachments.locks().lock(attachment.key.container_id);
    if (!attachments.table().keys_in(view->cookie).empty() ||
        attachments.table().find(attachment.key)) {
        return {};
    }
    state.given = pod.addresses;
    // An enrolment that is not stored could never be withdrawn.
    FSM_TRY(attachments.begin(state));
    if (chain_use_ != nullptr) {
        chain_use_->found_without_add(pod.name, place.started);
    }
    log::info(log::Pod{pod.name.to_string()},
              "container={} runs without an attachment in {}: found by its cgroup",
              attachment.key.container_id, attachment.netns_path);
    // A failure is recorded at the pod, and the passes retry.
    if (auto applied = attachments.keeper().apply(state, parts_.rules.decide(pod), *netns, *view);
        !applied) {
        log::error(log::Pod{pod.name.to_string()},
                   "cannot be intercepted, tried again every 5 s: {}", applied.error().message());
    }
    if (state.enrolled) {
        parts_.times.enrolled(std::chrono::steady_clock::now() - pod.known.time);
    }
    parts_.owners.new_problems(state, {});
    attachments.table().put(state);
    return {};
}

bool RunningPodFinder::find_again(AttachmentState& state) {
    Attachment& attachment = state.attachment;
    if (!attachment.found_running || attachment.boot_id != parts_.namespaces.boot_id()) {
        return false;
    }
    const auto running = parts_.namespaces.find_running({attachment.pod_uid});
    if (!running || running->empty() || running->begin()->second.netns != attachment.netns) {
        return false;
    }
    attachment.netns_path = running->begin()->second.netns_path;
    // A failure is a condition, and is retried when the path changes again.
    static_cast<void>(parts_.attachments.save(attachment));
    parts_.attachments.table().put(state);
    return true;
}

}  // namespace fsm
