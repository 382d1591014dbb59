// The part of the Enroller that runs without a request: at start, periodically, and when a pod
// changes.
#include <algorithm>
#include <set>

#include "interceptor/log/log.h"
#include "interceptor/sync/enroller.h"

namespace fsm {

namespace {

PodReference reference_of(const Attachment& attachment) {
    return {attachment.pod.pod_namespace, attachment.pod.name, attachment.pod_uid, ""};
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
    for (const auto& problem : loaded.problems) {
        problems_.add(problem);
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
        const bool known = !table_.keys_in(pod.netns_cookie).empty();
        const auto still_held = datapath_.pods();
        if (!known && still_held && find_cookie(*still_held, pod.netns_cookie) != nullptr) {
            problems_.add("the data path holds a pod with netns cookie " +
                          std::to_string(pod.netns_cookie) +
                          " that no attachment on disk names; it stays intercepted until its DEL");
        }
    }
    return {};
}

void Enroller::adopt(Attachment attachment, const std::vector<EnrolledPod>& held) {
    if (attachment.boot_id != boot_id_) {
        log::info("pod={} attachment {} is of an earlier boot, dropped", attachment.pod.to_string(),
                  attachment.key.to_string());
        if (auto removed = store_.remove(attachment.key); !removed) {
            problems_.add(removed.error().message());
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
    for (const auto& key : table_.keys()) {
        if (interrupted_) {
            return;
        }
        reconcile_one(key, depth);
    }
    if (auto swept = datapath_.sweep(); !swept) {
        problems_.add("sweep the data path: " + swept.error().message());
    }
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
        if (auto gone = forget(*state, nullptr); !gone) {
            problems_.add("withdraw " + key.to_string() + ": " + gone.error().message());
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
        follow_source(*state, **found, depth);
    } else if (state->membership == Membership::in_mesh && state->reason.empty()) {
        state->reason = source_.description() + " has it no longer; it stays intercepted until DEL";
        log::info("pod={} {}", state->attachment.pod.to_string(), state->reason);
        table_.put(*state);
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
        problems_.add("tell the data path which containers are not sidecars: " +
                      told.error().message());
    }
}

void Enroller::reapply(AttachmentState& state, const Pod& pod, const Decision& decision) {
    const auto problems_before = state.problems;
    const auto failure_before = state.failure;
    const auto membership_before = state.membership;
    if (!pod.addresses.empty()) {
        state.given = pod.addresses;
    }
    if (state.attachment.pod != pod.name ||
        (state.attachment.pod_uid.empty() && !pod.uid.empty())) {
        state.attachment.pod = pod.name;
        state.attachment.pod_uid = pod.uid;
        if (auto saved = store_.save(state.attachment); !saved) {
            problems_.add("remember pod " + pod.name.to_string() + ": " + saved.error().message());
        }
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
