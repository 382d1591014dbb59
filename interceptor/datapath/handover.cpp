#include "interceptor/datapath/handover.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace fsm {

Result<EnrolledPod> Handover::enrol(const Netns& netns, const PodEnrolment& enrolment) {
    FSM_ASSIGN(auto enrolled, current_->enrol(netns, enrolment));
    const std::shared_lock guard(mutex_);
    if (former_ != nullptr) {
        auto withdrawn = former_->withdraw(enrolment.netns_cookie, &netns);
        if (!withdrawn) {
            return std::move(withdrawn.error())
                .within("the pod is enrolled, but the mechanism of an earlier mode is not gone");
        }
    }
    return enrolled;
}

Result<void> Handover::withdraw(std::uint64_t netns_cookie, const Netns* netns) {
    FSM_TRY(current_->withdraw(netns_cookie, netns));
    const std::shared_lock guard(mutex_);
    return former_ == nullptr ? Result<void>() : former_->withdraw(netns_cookie, netns);
}

Result<void> Handover::forget_address(const IpAddress& address, std::uint64_t keep) {
    FSM_TRY(current_->forget_address(address, keep));
    const std::shared_lock guard(mutex_);
    return former_ == nullptr ? Result<void>() : former_->forget_address(address, keep);
}

Result<void> Handover::sweep() {
    FSM_TRY(current_->sweep());
    {
        const std::shared_lock guard(mutex_);
        if (former_ != nullptr) {
            FSM_TRY(former_->sweep());
        }
    }
    return finish_when_empty();
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
