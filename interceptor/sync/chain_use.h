// ChainUse: whether the container runtime uses the chain of plugins that our entry stands in.
//
// An installer sees files, not which of them a runtime has chosen: CRI-O can be told the name of a
// network, another runtime reads another directory. What gives it away is pods that start and are
// found running without an ADD.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "common/problem.h"
#include "interceptor/pod/pod.h"

namespace fsm {

// Threads: every function may be called from any thread. Times are of CLOCK_BOOTTIME.
class ChainUse {
  public:
    using Time = std::chrono::nanoseconds;

    // The entry stands in `file`, since then.
    void entry_stands(const std::string& file, Time since);
    // Pods that start now are expected to start without us.
    void entry_is_gone();

    // An ADD for a pod that the pod source knows. Those of other containers prove nothing: another
    // runtime of the node may make them.
    void add_arrived();
    // A pod of the source was found running, whose first process is of that time.
    void found_without_add(const PodName& pod, Time started);

    std::vector<Problem> problems() const;

  private:
    mutable std::mutex mutex_;
    std::string file_;  // empty: the entry is nowhere
    Time since_{};
    PodName last_;
    unsigned missed_ = 0;  // pods, since the last ADD
};

}  // namespace fsm
