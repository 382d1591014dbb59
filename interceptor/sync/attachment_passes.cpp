#include "interceptor/sync/attachment_passes.h"

#include <set>
#include <utility>
#include <vector>

#include "common/failures.h"
#include "common/guarded.h"
#include "interceptor/log/log.h"
#include "interceptor/sync/netns_view.h"

namespace fsm {

namespace {

cni::PodReference reference_of(const Attachment& attachment) {
    return {attachment.pod.pod_namespace, attachment.pod.name, attachment.pod_uid};
}

bool same_verdict(const AttachmentState& state, const Decision& decision) {
    if (std::holds_alternative<NotInMesh>(decision.verdict)) {
        return state.membership == Membership::not_in_mesh;
    }
    if (std::holds_alternative<Sidecarless>(decision.verdict)) {
        return state.membership == Membership::sidecarless;
    }
    if (const auto* refused = std::get_if<Refused>(&decision.verdict)) {
        return state.membership == Membership::refused && !state.problems.empty() &&
               state.problems.back() == EnrolmentKeeper::refusal_problem(*refused);
    }
    return state.membership == Membership::in_mesh &&
           state.decided == std::get<InMesh>(decision.verdict);
}

}  // namespace

// ---- passes ------------------------------------------------------------------------------------

void AttachmentPasses::reconcile(ReconcileDepth depth) {
    std::vector<Problem> problems;
    for (const auto& key : parts_.attachments.table().keys()) {
        if (interrupted_) {
            return;
        }
        // A failure at one pod must not prevent the others.
        const auto looked = guarded("look at the attachment " + key.to_string(),
                                    [&] { reconcile_one(key, depth); });
        if (!looked) {
            problems.push_back({key.to_string(), looked.error().message()});
        }
    }
    parts_.conditions.replace(Component::reconciler, "attachment ", std::move(problems));
    if (depth == ReconcileDepth::everything) {
        parts_.left_behind.look();
    }
    auto swept = parts_.maintenance.sweep();
    parts_.conditions.follow(
        Component::reconciler, "sweep",
        swept ? std::move(swept)
              : std::move(swept.error())
                    .within("clean up behind ended pods and connections, tried again every 5 s"));
}

void AttachmentPasses::reconcile_pod(const PodName& name) {
    for (const auto& key : parts_.attachments.table().candidate_keys(name)) {
        reconcile_one(key, ReconcileDepth::settings);
    }
}

void AttachmentPasses::check_node() {
    for (const std::string& repaired : parts_.maintenance.verify_node()) {
        log::error("{}; it was restored", repaired);
    }
    report_events();
    const auto pods = parts_.maintenance.pods_to_enrol_again();
    Failures failures;
    failures.note(pods);
    parts_.conditions.follow(Component::reconciler, "enrol again",
                             failures.result("ask which pods are to be enrolled again"));
    if (!pods) {
        return;
    }
    AttachmentTable& table = parts_.attachments.table();
    for (const std::uint64_t cookie : *pods) {
        table.plan_again(cookie);
        for (const AttachmentKey& key : table.keys_in(cookie)) {
            reconcile_one(key, ReconcileDepth::settings);
        }
    }
}

// Events of pods that no longer exist are not reported.
void AttachmentPasses::report_events() {
    const AttachmentTable& table = parts_.attachments.table();
    for (const PodEvent& event : parts_.maintenance.take_events()) {
        const auto keys = table.keys_in(event.netns_cookie);
        const auto state = keys.empty() ? std::nullopt : table.find(keys.front());
        if (state) {
            parts_.owners.event(state->attachment, event);
        }
    }
}

void AttachmentPasses::update_containers() {
    const AttachmentTable& table = parts_.attachments.table();
    auto told = parts_.containers.refresh(
        [&](std::uint64_t netns_cookie) { return !table.keys_in(netns_cookie).empty(); });
    if (!told) {
        told =
            std::move(told.error()).within("tell the data path which containers are not sidecars");
    }
    parts_.conditions.follow(Component::reconciler, "containers", told);
}

// ---- one attachment ----------------------------------------------------------------------------

void AttachmentPasses::reconcile_one(const AttachmentKey& key, ReconcileDepth depth) {
    const auto lock = parts_.attachments.locks().try_lock(key.container_id);
    if (!lock) {
        return;  // a request is at work on it; the next pass comes soon
    }
    auto state = parts_.attachments.table().find(key);
    if (!state) {
        return;
    }
    if (!parts_.namespaces.is_alive(state->attachment) && !parts_.finder.find_again(*state)) {
        end_dead(*state);
        return;
    }
    if (state->attachment.pod.name.empty()) {
        return;
    }
    const auto found = parts_.lookup.find(reference_of(state->attachment));
    if (!found) {
        return;  // not known is no reason to change anything; the source reports its problem
    }
    if (*found) {
        remember_name(*state, **found);
        follow_source(*state, **found, depth);
    } else if (state->membership == Membership::in_mesh && state->reason.empty()) {
        state->reason =
            parts_.source.description() + " has it no longer; it stays intercepted until DEL";
        log::info(log::Pod{state->attachment.pod.to_string()}, "{}", state->reason);
        parts_.attachments.table().put(*state);
    }
}

void AttachmentPasses::end_dead(const AttachmentState& state) {
    const Attachment& attachment = state.attachment;
    log::info(log::Pod{attachment.pod.to_string()},
              "container={} lost its network namespace {}: withdrawn", attachment.key.container_id,
              attachment.netns_path);
    const auto ended = parts_.attachments.end(state, nullptr);
    if (!ended) {
        const std::string what = "withdraw " + attachment.key.to_string();
        parts_.conditions.set(
            Component::attachments,
            {what, what + ", whose namespace no longer exists; retried every 5 s: " +
                       ended.error().message()});
    }
}

// If it cannot be stored, the next pass retries.
void AttachmentPasses::remember_name(AttachmentState& state, const Pod& pod) {
    Attachment named = state.attachment;
    named.pod = pod.name;
    named.pod_uid = named.pod_uid.empty() ? pod.uid : named.pod_uid;
    const bool same =
        named.pod == state.attachment.pod && named.pod_uid == state.attachment.pod_uid;
    if (!same && parts_.attachments.save(named)) {
        state.attachment = std::move(named);
        parts_.attachments.table().put(state);
    }
}

void AttachmentPasses::follow_source(AttachmentState& state, const Pod& pod, ReconcileDepth depth) {
    const auto decision = parts_.rules.decide(pod);
    note_containers(state, pod, decision);
    const bool outside = !std::holds_alternative<InMesh>(decision.verdict);
    const bool settled =
        same_verdict(state, decision) && state.failure.empty() && !state.plan_again;
    if (settled && (outside || depth == ReconcileDepth::settings)) {
        return;
    }
    reapply(state, pod, decision);
}

void AttachmentPasses::note_containers(const AttachmentState& state, const Pod& pod,
                                       const Decision& decision) {
    std::set<std::string> others;
    if (const auto* in_mesh = std::get_if<InMesh>(&decision.verdict)) {
        others = containers_beside(in_mesh->sidecar_container, pod);
    }
    parts_.containers.set_wanted(state.attachment.netns_cookie, std::move(others));
}

void AttachmentPasses::reapply(AttachmentState& state, const Pod& pod, const Decision& decision) {
    const auto problems_before = state.problems;
    const auto failure_before = state.failure;
    const auto membership_before = state.membership;
    if (!pod.addresses.empty()) {
        state.given = pod.addresses;
    }
    const std::string name = pod.name.to_string();
    const auto netns = parts_.namespaces.open_if_same(state.attachment);
    if (!netns) {
        return;  // lost this very moment: the next pass withdraws it
    }
    AttachmentTable& table = parts_.attachments.table();
    const auto view = inspect_netns(*netns, table.first_interface(state.attachment.netns_cookie));
    const auto done = view ? parts_.attachments.keeper().apply(state, decision, *netns, *view)
                           : Result<void>(view.error());
    if (!done) {
        state.failure = done.error().message();
        if (state.failure != failure_before) {
            log::error(log::Pod{name},
                       "its settings could not be applied, tried again every 5 s: {}",
                       state.failure);
        }
    }
    if (membership_before != state.membership && !needs_interception(decision)) {
        log::info(log::Pod{name}, "{}{}",
                  state.membership == Membership::not_in_mesh ? "is not in the mesh: " : "",
                  state.reason);
    }
    parts_.owners.new_problems(state, problems_before);
    table.put(state);
}

}  // namespace fsm
