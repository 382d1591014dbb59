#include "interceptor/interception/handover.h"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <set>
#include <utility>

namespace fsm {

namespace {

Error not_gone(Error error) {
    return std::move(error).within(
        "the pod is enrolled, but the mechanism of an earlier mode is not gone");
}

}  // namespace

// Everything that can fail is done before the current one has the pod, except releasing the former
// one: that is retried, and the pod is enrolled meanwhile.
Result<EnrolledPod> Handover::enrol(const Netns& netns, const PodEnrolment& enrolment) {
    FSM_ASSIGN(const auto held, held_by_former(enrolment.netns_cookie));
    if (!held) {
        return current_->enrol(netns, enrolment);
    }
    FSM_ASSIGN(Netns copy, netns.duplicate());
    FSM_ASSIGN(auto enrolled, current_->enrol(netns, enrolment));
    begin(enrolment.netns_cookie, {std::move(copy), state_after(*held, enrolled), Clock::now()});
    return enrolled;
}

// With inbound tc on either side the two do not agree about a connection.
Handover::State Handover::state_after(const EnrolledPod& by_former, const EnrolledPod& by_current) {
    const bool involves_tc = by_former.inbound == InboundMechanism::tc || by_former.draining ||
                             by_current.inbound == InboundMechanism::tc;
    return involves_tc ? State::cutting : State::overlapping;
}

Result<std::optional<EnrolledPod>> Handover::held_by_former(std::uint64_t netns_cookie) const {
    const std::shared_lock guard(mutex_);
    return former_ == nullptr ? std::optional<EnrolledPod>() : former_->pod(netns_cookie);
}

// A pod that changes to tc during its overlap enters the stricter state.
void Handover::begin(std::uint64_t netns_cookie, Transfer transfer) {
    {
        const std::lock_guard guard(transfers_mutex_);
        if (transfer.state == State::overlapping) {
            transfers_.try_emplace(netns_cookie, std::move(transfer));
            return;
        }
        transfers_.erase(netns_cookie);
    }
    const std::shared_lock guard(mutex_);
    // The sweep() that retries it reports the error.
    static_cast<void>(advance(netns_cookie, std::move(transfer)));
}

Result<void> Handover::withdraw(std::uint64_t netns_cookie, const Netns* netns) {
    FSM_TRY(current_->withdraw(netns_cookie, netns));
    {
        const std::lock_guard transfers_guard(transfers_mutex_);
        transfers_.erase(netns_cookie);
    }
    const std::shared_lock guard(mutex_);
    return former_ == nullptr ? Result<void>() : former_->withdraw(netns_cookie, netns);
}

std::vector<std::string> Handover::verify_node() {
    auto repaired = current_->verify_node();
    const std::shared_lock guard(mutex_);
    if (former_ != nullptr) {
        const auto formers = former_->verify_node();
        repaired.insert(repaired.end(), formers.begin(), formers.end());
    }
    return repaired;
}

std::vector<PodEvent> Handover::take_events() {
    auto events = current_->take_events();
    const std::shared_lock guard(mutex_);
    if (former_ != nullptr) {
        const auto formers = former_->take_events();
        events.insert(events.end(), formers.begin(), formers.end());
    }
    return events;
}

// Each part separately: an error of one mechanism must not keep pods in both.
Result<void> Handover::sweep() {
    Failures failures;
    failures.note(current_->sweep());
    sweep_former(failures);
    failures.note(finish_when_empty());
    return failures.result();
}

void Handover::sweep_former(Failures& failures) {
    const std::shared_lock guard(mutex_);
    if (former_ != nullptr) {
        for (auto& [cookie, transfer] : take_due()) {
            failures.note(advance(cookie, std::move(transfer)));
        }
        failures.note(former_->sweep());
    }
}

std::vector<Problem> Handover::node_conditions() const {
    auto conditions = current_->node_conditions();
    const std::shared_lock guard(mutex_);
    if (former_ != nullptr) {
        for (Problem& problem : former_->node_conditions()) {
            conditions.push_back(
                {"former mode: " + problem.key,
                 "for the pods that still have the mechanism of an earlier mode: " + problem.text});
        }
    }
    return conditions;
}

Handover::Transfers Handover::take_due() {
    const auto now = Clock::now();
    Transfers due;
    const std::lock_guard guard(transfers_mutex_);
    for (auto entry = transfers_.begin(); entry != transfers_.end();) {
        const auto next = std::next(entry);
        if (entry->second.state == State::cutting || now - entry->second.since >= overlap_) {
            due.insert(transfers_.extract(entry));
        }
        entry = next;
    }
    return due;
}

Result<void> Handover::advance(std::uint64_t netns_cookie, Transfer transfer) {
    if (former_ == nullptr) {
        return {};
    }
    auto let_go = transfer.state == State::cutting
                      ? former_->withdraw_and_cut(netns_cookie, transfer.netns)
                      : former_->withdraw(netns_cookie, &transfer.netns);
    if (let_go) {
        return {};  // only the current one has it
    }
    const std::lock_guard guard(transfers_mutex_);
    transfers_.try_emplace(netns_cookie, std::move(transfer));
    return not_gone(std::move(let_go.error()));
}

Result<void> Handover::finish_when_empty() {
    const std::unique_lock guard(mutex_);
    if (former_ != nullptr) {
        FSM_ASSIGN(const auto pods, former_->pods());
        if (!pods.empty()) {
            return {};
        }
        former_.reset();
        // Sidecars may still query connections that the former one has just redirected: the entries
        // that answer them are removed by the next sweep.
        return {};
    }
    if (remove_former_) {
        FSM_TRY(remove_former_());
        remove_former_ = nullptr;
    }
    return {};
}

Result<std::vector<EnrolledPod>> Handover::pods() const {
    FSM_ASSIGN(auto pods, current_->pods());
    const std::shared_lock guard(mutex_);
    if (former_ == nullptr) {
        return pods;
    }
    FSM_ASSIGN(const auto remaining, former_->pods());
    std::set<std::uint64_t> current;
    std::transform(pods.begin(), pods.end(), std::inserter(current, current.end()),
                   [](const EnrolledPod& pod) { return pod.netns_cookie; });
    std::copy_if(remaining.begin(), remaining.end(), std::back_inserter(pods),
                 [&](const EnrolledPod& pod) { return !current.contains(pod.netns_cookie); });
    return pods;
}

Result<std::optional<EnrolledPod>> Handover::pod(std::uint64_t netns_cookie) const {
    FSM_ASSIGN(auto pod, current_->pod(netns_cookie));
    return pod ? std::move(pod) : held_by_former(netns_cookie);
}

}  // namespace fsm
