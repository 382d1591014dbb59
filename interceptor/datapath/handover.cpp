#include "interceptor/datapath/handover.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace fsm {

namespace {

Error not_gone(Error error) {
    return std::move(error).within(
        "the pod is enrolled, but the mechanism of an earlier mode is not gone");
}

}  // namespace

Result<EnrolledPod> Handover::enrol(const Netns& netns, const PodEnrolment& enrolment) {
    FSM_ASSIGN(auto enrolled, current_->enrol(netns, enrolment));
    const std::shared_lock guard(mutex_);
    if (former_ == nullptr) {
        return enrolled;
    }
    FSM_ASSIGN(const bool at_once, involves_tc(enrolled));
    FSM_TRY(at_once ? replace_at_once(enrolment.netns_cookie, netns)
                    : replace_later(enrolment.netns_cookie, netns));
    return enrolled;
}

Result<bool> Handover::involves_tc(const EnrolledPod& enrolled) const {
    if (enrolled.inbound == InboundMechanism::tc) {
        return true;
    }
    FSM_ASSIGN(const auto pods, former_->pods());
    return std::any_of(pods.begin(), pods.end(), [&](const EnrolledPod& pod) {
        return pod.netns_cookie == enrolled.netns_cookie && pod.inbound == InboundMechanism::tc;
    });
}

Result<void> Handover::replace_at_once(std::uint64_t netns_cookie, const Netns& netns) {
    auto replaced = former_->withdraw(netns_cookie, &netns);
    if (replaced) {
        replaced = former_->cut_open(netns_cookie, netns);
    }
    return replaced ? Result<void>() : not_gone(std::move(replaced.error()));
}

Result<void> Handover::replace_later(std::uint64_t netns_cookie, const Netns& netns) {
    FSM_ASSIGN(Netns copy, netns.duplicate());
    const std::lock_guard guard(leaving_mutex_);
    leaving_.try_emplace(netns_cookie, Leaving{std::move(copy), Clock::now()});
    return {};
}

Result<void> Handover::withdraw(std::uint64_t netns_cookie, const Netns* netns) {
    FSM_TRY(current_->withdraw(netns_cookie, netns));
    {
        const std::lock_guard leaving_guard(leaving_mutex_);
        leaving_.erase(netns_cookie);
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
        failures.note(withdraw_overdue());
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

std::map<std::uint64_t, Handover::Leaving> Handover::take_overdue() {
    const auto now = Clock::now();
    std::map<std::uint64_t, Leaving> overdue;
    const std::lock_guard guard(leaving_mutex_);
    for (auto entry = leaving_.begin(); entry != leaving_.end();) {
        const auto next = std::next(entry);
        if (now - entry->second.since >= overlap_) {
            overdue.insert(leaving_.extract(entry));
        }
        entry = next;
    }
    return overdue;
}

// With mutex_ held. What fails is tried again.
Result<void> Handover::withdraw_overdue() {
    Failures failures;
    for (auto& [cookie, leaving] : take_overdue()) {
        auto withdrawn = former_->withdraw(cookie, &leaving.netns);
        if (!withdrawn) {
            failures.note(not_gone(std::move(withdrawn.error())));
            const std::lock_guard guard(leaving_mutex_);
            leaving_.try_emplace(cookie, std::move(leaving));
        }
    }
    return failures.result();
}

Result<void> Handover::finish_when_empty() {
    const std::unique_lock guard(mutex_);
    if (former_ != nullptr) {
        FSM_ASSIGN(const auto pods, former_->pods());
        if (!pods.empty()) {
            return {};
        }
        former_.reset();
        // Sidecars may still ask about connections that it has just let in: what answers them goes
        // with the next sweep.
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
    std::copy_if(remaining.begin(), remaining.end(), std::back_inserter(pods),
                 [&](const EnrolledPod& pod) {
                     return std::none_of(pods.begin(), pods.end(), [&](const EnrolledPod& other) {
                         return other.netns_cookie == pod.netns_cookie;
                     });
                 });
    return pods;
}

}  // namespace fsm
