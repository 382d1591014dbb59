// OwnerReports: reports problems of pods to their owners: in the log, and by the notifier if there
// is one.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/cni/request.h"
#include "interceptor/interception/maintenance.h"
#include "interceptor/pod/pod_notifier.h"
#include "interceptor/sync/attachment_table.h"
#include "interceptor/sync/cni_error.h"

namespace fsm {

// Threads: every function may be called from any thread, but for notify().
class OwnerReports {
  public:
    // Set before anything else; the notifier must outlive this object.
    void notify(PodNotifier& notifier) { notifier_ = &notifier; }

    // The state's problems that are not among those that it had before.
    void new_problems(const AttachmentState& state, const std::vector<PodProblem>& before) const;
    // What the data path has seen happen to the pod: at most once a minute.
    void event(const Attachment& attachment, const PodEvent& event);
    // A pod that is not started.
    void refusal(const cni::PodReference& pod, const CniError& error) const;

  private:
    using Clock = std::chrono::steady_clock;

    PodNotifier* notifier_ = nullptr;
    std::mutex mutex_;
    std::map<std::uint64_t, Clock::time_point> told_;  // by netns cookie, not older than a minute
};

}  // namespace fsm
