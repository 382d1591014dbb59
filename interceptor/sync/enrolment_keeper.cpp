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
    log::info(
        "pod={} container={} interface={} enrolled: netns_cookie={} addresses={} inbound={} "
        "acceleration={}",
        state.attachment.pod.to_string(), state.attachment.key.container_id,
        state.attachment.key.ifname, state.enrolled->netns_cookie, addresses_of(*state.enrolled),
        to_string(state.enrolled->inbound), to_string(state.enrolled->acceleration));
}

}  // namespace

Result<void> EnrolmentKeeper::enrol(AttachmentState& state, const InMesh& decided,
                                    const Netns& netns, const NetnsView& view) {
    FSM_ASSIGN(auto plan, plan_enrolment(decided, netns, view, proc_));
    state.problems.insert(state.problems.end(), plan.problems.begin(), plan.problems.end());
    state.plan_again = plan.provisional;
    if (state.applied == plan.enrolment) {
        const auto intact = datapath_.check(netns, view.cookie);
        if (intact) {
            return {};
        }
        log::warn("pod={} is enrolled again: {}", state.attachment.pod.to_string(),
                  intact.error().message());
    }
    FSM_ASSIGN(state.enrolled, datapath_.enrol(netns, plan.enrolment));
    state.applied = std::move(plan.enrolment);
    log_enrolled(state);
    return {};
}

Result<void> EnrolmentKeeper::apply(AttachmentState& state, const Decision& decision,
                                    const Netns& netns, const NetnsView& view) {
    state.problems = decision.problems;
    if (const auto* outside = std::get_if<NotInMesh>(&decision.verdict)) {
        state.membership = Membership::not_in_mesh;
        state.reason = outside->reason;
        return leave_outside(state, netns, view);
    }
    const auto& decided = std::get<InMesh>(decision.verdict);
    state.membership = Membership::in_mesh;
    state.reason.clear();
    const auto lock = netns_locks_.lock(view.cookie);
    auto enrolled = enrol(state, decided, netns, view);
    if (enrolled) {
        state.decided = decided;
        state.failure.clear();
    } else {
        state.failure = enrolled.error().message();
    }
    return enrolled;
}

Result<void> EnrolmentKeeper::leave_outside(AttachmentState& state, const Netns& netns,
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
    for (const auto& entry : view.addresses) {
        if (auto forgotten = datapath_.forget_address(entry.address, view.cookie); !forgotten) {
            done = std::move(forgotten);
        }
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
