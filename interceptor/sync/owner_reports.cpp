#include "interceptor/sync/owner_reports.h"

#include <algorithm>

#include "interceptor/log/log.h"

namespace fsm {

namespace {

constexpr std::chrono::minutes kPause{1};

}  // namespace

void OwnerReports::new_problems(const AttachmentState& state,
                                const std::vector<PodProblem>& before) const {
    const Attachment& attachment = state.attachment;
    for (const auto& problem : state.problems) {
        if (std::find(before.begin(), before.end(), problem) != before.end()) {
            continue;
        }
        log::warn(log::Pod{attachment.pod.to_string()}, "{}", problem.text);
        if (notifier_ != nullptr) {
            notifier_->warn({attachment.pod, attachment.pod_uid, reason_of(problem), problem.text});
        }
    }
}

void OwnerReports::event(const Attachment& attachment, const PodEvent& event) {
    {
        const std::lock_guard guard(mutex_);
        const auto now = Clock::now();
        std::erase_if(told_, [&](const auto& told) { return now - told.second >= kPause; });
        if (!told_.emplace(event.netns_cookie, now).second) {
            return;
        }
    }
    log::warn(log::Pod{attachment.pod.to_string()}, "{} ({} times in a second)", event.what,
              event.times);
    if (notifier_ != nullptr) {
        notifier_->warn(
            {attachment.pod, attachment.pod_uid, PodWarningReason::pod_problem, event.what});
    }
}

void OwnerReports::refusal(const cni::PodReference& pod, const CniError& error) const {
    if (notifier_ != nullptr && !pod.name.empty() && !pod.pod_namespace.empty()) {
        notifier_->warn({{pod.pod_namespace, pod.name},
                         pod.uid,
                         PodWarningReason::refused,
                         error.message + ": " + error.details});
    }
}

}  // namespace fsm
