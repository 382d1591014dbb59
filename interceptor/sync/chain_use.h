// ChainUse: whether the container runtime uses the chain that contains our entry.
//
// The installer sees files, but not which of them a runtime uses: CRI-O can select a network by
// name, another runtime reads another directory. The evidence is pods that start and are found
// running without an ADD.
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

    // `file` contains the entry, since that time.
    void entry_present(const std::string& file, Time since);
    // Pods that start now are expected to start without an ADD.
    void entry_removed();

    // An ADD for a pod that the pod source knows. ADDs of other containers are no evidence: another
    // runtime of the node may send them.
    void add_arrived();
    // A pod of the source was found running; its first process started at that time.
    void found_without_add(const PodName& pod, Time started);

    std::vector<Problem> problems() const;

  private:
    mutable std::mutex mutex_;
    std::string file_;  // empty: there is no entry
    Time since_{};
    PodName last_;
    unsigned missed_ = 0;  // pods, since the last ADD
};

}  // namespace fsm
