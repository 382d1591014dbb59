// The part of the Enroller that runs without a request: at start, periodically, and when a pod
// changes.
#include <algorithm>
#include <iterator>
#include <set>

#include "common/guarded.h"
#include "interceptor/log/log.h"
#include "interceptor/sync/enroller.h"

namespace fsm {

namespace {

cni::PodReference reference_of(const Attachment& attachment) {
    return {attachment.pod.pod_namespace, attachment.pod.name, attachment.pod_uid};
}

bool same_verdict(const AttachmentState& state, const Decision& decision) {
    if (std::holds_alternative<NotInMesh>(decision.verdict)) {
        return state.membership == Membership::not_in_mesh;
    }
    if (const auto* refused = std::get_if<Refused>(&decision.verdict)) {
        return state.membership == Membership::refused && !state.problems.empty() &&
               state.problems.back() == EnrolmentKeeper::refusal_problem(*refused);
    }
    return state.membership == Membership::in_mesh &&
           state.decided == std::get<InMesh>(decision.verdict);
}

const EnrolledPod* find_cookie(const std::vector<EnrolledPod>& held, std::uint64_t cookie) {
    const auto found = std::find_if(held.begin(), held.end(), [&](const EnrolledPod& pod) {
        return pod.netns_cookie == cookie;
    });
    return found == held.end() ? nullptr : &*found;
}

}  // namespace

// ---- start
// ---------------------------------------------------------------------------------------

Result<void> Enroller::restore() {
    FSM_ASSIGN(auto loaded, store_.load());
    set_aside_ = std::move(loaded.set_aside);
    for (const auto& problem : loaded.problems) {
        conditions_.report(Component::attachments, problem);
    }
    FSM_ASSIGN(const auto held, datapath_.pods());
    for (auto& attachment : loaded.attachments) {
        adopt(std::move(attachment), held);
    }
    // Before pods are enrolled again: the notes are about pods that went meanwhile.
    consume_deletion_notes();
    reconcile(ReconcileDepth::everything);
    enrol_running();
    tell_containers();
    for (const auto& pod : held) {
        unknown_pods_.insert(pod.netns_cookie);
    }
    look_at_unknown_pods();
    return {};
}

// Until the runtime's DEL, or the pod is found running.
void Enroller::look_at_unknown_pods() {
    if (unknown_pods_.empty()) {
        return;
    }
    const auto held = datapath_.pods();
    if (!held) {
        return;
    }
    std::set<std::uint64_t> cookies;
    std::transform(held->begin(), held->end(), std::inserter(cookies, cookies.end()),
                   [](const EnrolledPod& pod) { return pod.netns_cookie; });
    std::erase_if(unknown_pods_, [&](std::uint64_t cookie) {
        return !cookies.contains(cookie) || !table_.keys_in(cookie).empty();
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

// A file that was set aside is a problem until somebody has looked at it and deleted it.
void Enroller::look_at_files_set_aside() {
    const auto files = store_.set_aside();
    if (!files) {
        return;  // STATUS says that the directory cannot be used
    }
    std::vector<Problem> problems;
    for (const std::string& file : *files) {
        const auto why = set_aside_.find(file);
        problems.push_back(
            {file, why != set_aside_.end() ? why->second : store_.describe_set_aside(file)});
    }
    std::erase_if(set_aside_, [&](const auto& entry) {
        return std::find(files->begin(), files->end(), entry.first) == files->end();
    });
    conditions_.replace(Component::attachments, "file ", std::move(problems));
}

void Enroller::adopt(Attachment attachment, const std::vector<EnrolledPod>& held) {
    if (attachment.boot_id != boot_id_) {
        log::info("pod={} attachment {} is of an earlier boot, dropped", attachment.pod.to_string(),
                  attachment.key.to_string());
        if (auto removed = store_.remove(attachment.key); !removed) {
            conditions_.report(Component::attachments,
                               removed.error().message() + "; delete the file");
        }
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
    table_.put(state);
}

// ---- passes
// --------------------------------------------------------------------------------------

void Enroller::reconcile(ReconcileDepth depth) {
    std::vector<Problem> problems;
    for (const auto& key : table_.keys()) {
        if (interrupted_) {
            return;
        }
        // One pod that cannot be looked at does not keep the others from their turn.
        const auto looked = guarded("look at the attachment " + key.to_string(),
                                    [&] { reconcile_one(key, depth); });
        if (!looked) {
            problems.push_back({key.to_string(), looked.error().message()});
        }
    }
    conditions_.replace(Component::reconciler, "attachment ", std::move(problems));
    if (depth == ReconcileDepth::everything) {
        look_at_files_set_aside();
        look_at_unknown_pods();
    }
    auto swept = datapath_.sweep();
    conditions_.follow(
        Component::reconciler, "sweep",
        swept ? std::move(swept)
              : std::move(swept.error())
                    .within("clean up behind ended pods and connections, tried again every 5 s"));
}

void Enroller::reconcile_pod(const PodName& name) {
    for (const auto& key : table_.keys_that_may_be(name)) {
        reconcile_one(key, ReconcileDepth::settings);
    }
}

void Enroller::reconcile_one(const AttachmentKey& key, ReconcileDepth depth) {
    const auto lock = container_locks_.try_lock(key.container_id);
    if (!lock) {
        return;  // a request is at work on it; the next pass comes soon
    }
    auto state = table_.find(key);
    if (!state) {
        return;
    }
    if (!is_alive(state->attachment) && !find_again(*state)) {
        log::info("pod={} container={} lost its network namespace {}: withdrawn",
                  state->attachment.pod.to_string(), key.container_id,
                  state->attachment.netns_path);
        auto gone = forget(*state, nullptr);
        if (!gone) {
            conditions_.set(Component::attachments,
                            {"withdraw " + key.to_string(),
                             "withdraw " + key.to_string() +
                                 ", whose namespace is gone; tried again every 5 s: " +
                                 gone.error().message()});
        }
        return;
    }
    if (state->attachment.pod.name.empty()) {
        return;
    }
    const auto found = lookup_.find(reference_of(state->attachment));
    if (!found) {
        return;  // not known is no reason to change anything; the source reports its problem
    }
    if (*found) {
        remember_name(*state, **found);
        follow_source(*state, **found, depth);
    } else if (state->membership == Membership::in_mesh && state->reason.empty()) {
        state->reason = source_.description() + " has it no longer; it stays intercepted until DEL";
        log::info("pod={} {}", state->attachment.pod.to_string(), state->reason);
        table_.put(*state);
    }
}

// One that cannot be written down is tried again by the next pass.
void Enroller::remember_name(AttachmentState& state, const Pod& pod) {
    Attachment named = state.attachment;
    named.pod = pod.name;
    named.pod_uid = named.pod_uid.empty() ? pod.uid : named.pod_uid;
    const bool same =
        named.pod == state.attachment.pod && named.pod_uid == state.attachment.pod_uid;
    if (!same && save(named)) {
        state.attachment = std::move(named);
        table_.put(state);
    }
}

void Enroller::follow_source(AttachmentState& state, const Pod& pod, ReconcileDepth depth) {
    const auto decision = decide(profile_, pod, options_.defaults);
    note_containers(state, pod, decision);
    const bool outside = !std::holds_alternative<InMesh>(decision.verdict);
    const bool settled =
        same_verdict(state, decision) && state.failure.empty() && !state.plan_again;
    if (settled && (outside || depth == ReconcileDepth::settings)) {
        return;
    }
    reapply(state, pod, decision);
}

void Enroller::note_containers(const AttachmentState& state, const Pod& pod,
                               const Decision& decision) {
    std::set<std::string> others;
    if (const auto* in_mesh = std::get_if<InMesh>(&decision.verdict)) {
        others = containers_beside(in_mesh->sidecar_container, pod);
    }
    containers_.know(state.attachment.netns_cookie, std::move(others));
}

void Enroller::tell_containers() {
    auto told = containers_.refresh(
        [&](std::uint64_t netns_cookie) { return !table_.keys_in(netns_cookie).empty(); });
    if (!told) {
        told =
            std::move(told.error()).within("tell the data path which containers are not sidecars");
    }
    conditions_.follow(Component::reconciler, "containers", told);
}

void Enroller::reapply(AttachmentState& state, const Pod& pod, const Decision& decision) {
    const auto problems_before = state.problems;
    const auto failure_before = state.failure;
    const auto membership_before = state.membership;
    if (!pod.addresses.empty()) {
        state.given = pod.addresses;
    }
    const std::string name = pod.name.to_string();
    const auto netns = open_if_same(state.attachment);
    if (!netns) {
        return;  // lost this very moment: the next pass withdraws it
    }
    const auto view = look_into(*netns, table_.first_interface(state.attachment.netns_cookie));
    const auto done =
        view ? keeper_.apply(state, decision, *netns, *view) : Result<void>(view.error());
    if (!done) {
        state.failure = done.error().message();
        if (state.failure != failure_before) {
            log::error("pod={} its settings could not be applied, tried again every 5 s: {}", name,
                       state.failure);
        }
    }
    if (membership_before != state.membership && state.membership == Membership::not_in_mesh) {
        log::info("pod={} is not in the mesh: {}", name, state.reason);
    }
    report_new_problems(state, problems_before);
    table_.put(state);
}

}  // namespace fsm
