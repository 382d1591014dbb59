// The part of the Enroller that finds pods which run without an attachment: they ran before the
// interceptor, were started while it was away or out of the chain, or have become part of the mesh.
#include <algorithm>
#include <map>
#include <set>

#include "common/guarded.h"
#include "interceptor/log/log.h"
#include "interceptor/sync/enroller.h"
#include "interceptor/sync/running_pods.h"

namespace fsm {

namespace {

// The runtime's own name for a pod's first interface, in every Kubernetes.
constexpr const char* kInterface = "eth0";

std::string interface_of(const NetnsView& view) {
    const auto& names = view.interfaces;
    return names.empty() || std::find(names.begin(), names.end(), kInterface) != names.end()
               ? kInterface
               : names.front();
}

}  // namespace

std::map<std::string, Pod> Enroller::pods_without_attachment() const {
    const auto pods = source_.list();
    std::map<std::string, Pod> missing;
    if (!pods) {
        return missing;  // not known is no reason to change anything
    }
    std::map<PodName, std::set<std::string>> attached;
    table_.for_each([&](const AttachmentState& state) {
        attached[state.attachment.pod].insert(state.attachment.pod_uid);
    });
    for (const Pod& pod : *pods) {
        const auto known = attached.find(pod.name);
        const bool is_attached = known != attached.end() && (known->second.count(pod.uid) != 0 ||
                                                             known->second.count("") != 0);
        if (is_attached || pod.host_network || pod.uid.empty()) {
            continue;
        }
        if (!std::holds_alternative<NotInMesh>(decide(profile_, pod, options_.defaults).verdict)) {
            missing.emplace(pod.uid, pod);
        }
    }
    return missing;
}

void Enroller::enrol_running() {
    const auto missing = pods_without_attachment();
    std::set<std::string> uids;
    for (const auto& [uid, pod] : missing) {
        uids.insert(uid);
    }
    if (uids.empty()) {
        report_search({});  // whom it was about has ended, or has an attachment
    }
    if (!search_pace_.is_due(uids, SearchPace::Clock::now())) {
        return;
    }
    const auto running = find_running_pods(options_.host_paths, uids, host_netns_);
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

void Enroller::report_search(const Failures& failures) {
    conditions_.follow(
        Component::reconciler, "search",
        failures.result("find pods that run without an attachment, which go around their sidecars "
                        "until then; tried again"));
}

Result<void> Enroller::enrol_found(const Pod& pod, const RunningPod& place) {
    const auto netns = open_pod_netns(place.netns_path);
    if (!netns || netns->identity() != place.netns) {
        return {};  // it ended this very moment
    }
    const auto view = look_into(*netns, kInterface);
    if (!view || view->addresses.empty()) {
        return {};  // the runtime is about to make its network, and will tell us
    }
    AttachmentState state;
    Attachment& attachment = state.attachment;
    attachment.key = {place.container_id, interface_of(*view), ""};
    if (!cni::check_interface(attachment.key.interface())) {
        attachment.key.container_id = "pod-" + pod.uid;
    }
    const auto lock = container_locks_.lock(attachment.key.container_id);
    if (!table_.keys_in(view->cookie).empty() || table_.find(attachment.key)) {
        return {};
    }
    attachment.netns_path = place.netns_path;
    attachment.netns = place.netns;
    attachment.netns_cookie = view->cookie;
    attachment.boot_id = boot_id_;
    attachment.pod = pod.name;
    attachment.pod_uid = pod.uid;
    attachment.found_running = true;
    state.given = pod.addresses;
    // An enrolment that is not remembered could never be withdrawn.
    FSM_TRY(store_.save(attachment));
    if (chain_use_ != nullptr) {
        chain_use_->found_without_add(pod.name, place.started);
    }
    log::info("pod={} container={} runs without an attachment in {}: found by its cgroup",
              pod.name.to_string(), attachment.key.container_id, attachment.netns_path);
    table_.put(state);
    // A failure stays at the pod, and is tried again by the passes.
    if (auto applied =
            keeper_.apply(state, decide(profile_, pod, options_.defaults), *netns, *view);
        !applied) {
        log::error("pod={} cannot be intercepted, tried again every 5 s: {}", pod.name.to_string(),
                   applied.error().message());
    }
    report_new_problems(state, {});
    table_.put(state);
    return {};
}

void Enroller::take_over_found(const Attachment& attached) {
    for (const AttachmentKey& key : table_.keys_in(attached.netns_cookie)) {
        const auto other = key == attached.key ? std::nullopt : table_.find(key);
        if (!other || !other->attachment.found_running) {
            continue;
        }
        if (auto removed = store_.remove(key); !removed) {
            conditions_.report(Component::attachments,
                               removed.error().message() + "; delete the file");
        }
        table_.erase(key);
    }
}

bool Enroller::find_again(AttachmentState& state) {
    Attachment& attachment = state.attachment;
    if (!attachment.found_running || attachment.boot_id != boot_id_) {
        return false;
    }
    const auto running = find_running_pods(options_.host_paths, {attachment.pod_uid}, host_netns_);
    if (!running || running->empty() || running->begin()->second.netns != attachment.netns) {
        return false;
    }
    attachment.netns_path = running->begin()->second.netns_path;
    static_cast<void>(save(attachment));  // it is a condition, and tried again when it moves again
    table_.put(state);
    return true;
}

}  // namespace fsm
