#include "interceptor/sync/owner_reports.h"

#include <algorithm>

#include "interceptor/log/log.h"

namespace fsm {

void OwnerReports::new_problems(const AttachmentState& state,
                                const std::vector<std::string>& before) const {
    const Attachment& attachment = state.attachment;
    for (const auto& problem : state.problems) {
        if (std::find(before.begin(), before.end(), problem) != before.end()) {
            continue;
        }
        log::warn("pod={} {}", attachment.pod.to_string(), problem);
        if (notifier_ != nullptr) {
            const char* reason =
                problem.starts_with("annotation ") ? "FsmAnnotationIgnored" : "FsmPodProblem";
            notifier_->warn({attachment.pod, attachment.pod_uid, reason, problem});
        }
    }
}

void OwnerReports::refusal(const cni::PodReference& pod, const CniError& error) const {
    if (notifier_ != nullptr && !pod.name.empty() && !pod.pod_namespace.empty()) {
        notifier_->warn({{pod.pod_namespace, pod.name},
                         pod.uid,
                         "FsmRefused",
                         error.message + ": " + error.details});
    }
}

}  // namespace fsm
