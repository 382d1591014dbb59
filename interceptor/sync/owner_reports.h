// OwnerReports: tells the owners of pods what is wrong with their pods: in the log, and by the
// notifier where there is one.
#pragma once

#include <string>
#include <vector>

#include "common/cni/request.h"
#include "interceptor/pod/pod_notifier.h"
#include "interceptor/sync/attachment_table.h"
#include "interceptor/sync/cni_error.h"

namespace fsm {

// Threads: every function may be called from any thread, but for notify().
class OwnerReports {
  public:
    // Before anything else, or not at all; the notifier must outlive this.
    void notify(PodNotifier& notifier) { notifier_ = &notifier; }

    // The state's problems that are not among those that it had before.
    void new_problems(const AttachmentState& state, const std::vector<std::string>& before) const;
    // A pod that is not started.
    void refusal(const cni::PodReference& pod, const CniError& error) const;

  private:
    PodNotifier* notifier_ = nullptr;
};

}  // namespace fsm
