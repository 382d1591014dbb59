#include "interceptor/sync/enrolment_keeper.h"

#include "interceptor/log/log.h"
#include "interceptor/sync/enrolment_plan.h"

namespace fsm {

namespace {

std::string addresses_of(const EnrolledPod& enrolled) {
    std::string text;
    for (const auto& address : enrolled.addresses) {
        text += (text.empty() ? "" : ",") + address.to_string();
    }
    return text;
}

void log_enrolled(const AttachmentState& state) {
    log::info(log::Pod{state.attachment.pod.to_string()},
              "container={} interface={} enrolled: netns_cookie={} addresses={} inbound={} "
              "acceleration={}{}",
              state.attachment.key.container_id, state.attachment.key.ifname,
              state.enrolled->netns_cookie, addresses_of(*state.enrolled),
              to_string(state.enrolled->inbound), to_string(state.enrolled->acceleration),
              state.enrolled->inbound_reason.empty()
                  ? std::string()
                  : " (not by sk_lookup: " + state.enrolled->inbound_reason +
                        "; tried again every 30 s)");
}

// A mechanism that is not the first choice, or one that waits for connections to end, is retried
// while the pod lives.
bool may_improve(const EnrolledPod& pod) {
    return !pod.inbound_reason.empty() || pod.draining;
}

}  // namespace

Result<void> EnrolmentKeeper::enrol(AttachmentState& state, const InMesh& decided,
                                    const Netns& netns, const NetnsView& view) {
    FSM_ASSIGN(auto plan, plan_enrolment(decided, netns, view, given_to(state), proc_));
    state.problems.insert(state.problems.end(), plan.problems.begin(), plan.problems.end());
    state.notes.insert(state.notes.end(), plan.notes.begin(), plan.notes.end());
    state.plan_again = plan.provisional;
    if (state.applied == plan.enrolment) {
        auto intact = datapath_.check(netns, view.cookie);
        if (intact && !may_improve(*intact)) {
            state.enrolled = std::move(*intact);
            return {};
        }
        if (!intact) {
            log::warn(log::Pod{state.attachment.pod.to_string()}, "is enrolled again: {}",
                      intact.error().message());
        }
    }
    FSM_ASSIGN(auto enrolled, datapath_.enrol(netns, plan.enrolment));
    const bool changed = state.applied != plan.enrolment || !state.enrolled ||
                         state.enrolled->inbound != enrolled.inbound ||
                         state.enrolled->inbound_reason != enrolled.inbound_reason;
    state.enrolled = std::move(enrolled);
    state.applied = std::move(plan.enrolment);
    if (changed) {
        log_enrolled(state);
    }
    return {};
}

// Of all attachments of the namespace: that of `state` may not be in the table as it is now.
std::set<IpAddress> EnrolmentKeeper::given_to(const AttachmentState& state) const {
    auto given = table_.given_in(state.attachment.netns_cookie);
    given.insert(state.given.begin(), state.given.end());
    return given;
}

void EnrolmentKeeper::name_conflicts(AttachmentState& state) const {
    if (!state.enrolled) {
        return;
    }
    for (const AddressConflict& conflict : state.enrolled->conflicts) {
        const auto owner = table_.pod_in(conflict.owner);
        state.problems.push_back(
            {PodProblem::Kind::other,
             "the address " + conflict.address.to_string() + " is " +
                 (owner ? "pod " + owner->to_string() + "'s" : std::string("another pod's")) +
                 ", to which the cluster has assigned it; on the node it stays that pod's: "
                 "remove it from this pod's interfaces"});
    }
}

Result<void> EnrolmentKeeper::apply(AttachmentState& state, const Decision& decision,
                                    const Netns& netns, const NetnsView& view) {
    state.problems = decision.problems;
    state.notes = decision.notes;
    if (const auto* outside = std::get_if<NotInMesh>(&decision.verdict)) {
        state.membership = Membership::not_in_mesh;
        state.reason = outside->reason;
        return keep_outside_mesh(state, netns, view);
    }
    if (const auto* sidecarless = std::get_if<Sidecarless>(&decision.verdict)) {
        state.membership = Membership::sidecarless;
        state.reason = sidecarless->reason;
        return keep_outside_mesh(state, netns, view);
    }
    if (const auto* refused = std::get_if<Refused>(&decision.verdict)) {
        return refuse(state, *refused, netns, view);
    }
    const auto& decided = std::get<InMesh>(decision.verdict);
    state.membership = Membership::in_mesh;
    state.reason.clear();
    const auto lock = netns_locks_.lock(view.cookie);
    auto enrolled = enrol(state, decided, netns, view);
    if (enrolled) {
        name_conflicts(state);
        state.decided = decided;
        state.failure.clear();
    } else {
        state.failure = enrolled.error().message();
    }
    return enrolled;
}

// An intercepted pod stays so, with its current rules: without them its traffic would bypass its
// sidecar. Another one is not changed: partial interception would not be better.
Result<void> EnrolmentKeeper::refuse(AttachmentState& state, const Refused& refused,
                                     const Netns& netns, const NetnsView& view) {
    if (state.enrolled) {
        state.failure = "its changed settings are refused, the former ones stay: " + refused.reason;
        return Error(state.failure);
    }
    state.membership = Membership::refused;
    state.reason.clear();
    state.problems.push_back(refusal_problem(refused));
    return keep_outside_mesh(state, netns, view);
}

Result<void> EnrolmentKeeper::keep_outside_mesh(AttachmentState& state, const Netns& netns,
                                                const NetnsView& view) {
    const auto lock = netns_locks_.lock(view.cookie);
    const bool shared = table_.has_other_in(
        view.cookie, state.attachment.key,
        [](const AttachmentState& other) { return other.membership == Membership::in_mesh; });
    if (shared) {
        return {};
    }
    auto done = datapath_.withdraw(view.cookie, &netns);
    if (done) {
        state.applied.reset();
        state.enrolled.reset();
        state.decided.reset();
    }
    state.failure = done ? "" : done.error().message();
    return done;
}

Result<void> EnrolmentKeeper::detach(const AttachmentState& state, const Netns* netns) {
    const std::uint64_t cookie = state.attachment.netns_cookie;
    const auto lock = netns_locks_.lock(cookie);
    const bool shared = table_.has_other_in(cookie, state.attachment.key,
                                            [](const AttachmentState&) { return true; });
    if (shared) {
        // The others' addresses do not include this interface's for long.
        table_.plan_again(cookie);
        return {};
    }
    return datapath_.withdraw(cookie, netns);
}

}  // namespace fsm
