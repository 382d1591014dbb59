// Reconciler: the thread that runs the Enroller's passes, every few seconds and when a pod changes.
// An exception in a pass is a condition; the next pass still runs.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "interceptor/health/conditions.h"
#include "interceptor/pod/pod.h"
#include "interceptor/sync/enroller.h"

namespace fsm {

struct ReconcilerTiming {
    std::chrono::milliseconds interval{5000};
    // Every how many passes the namespaces are entered and the data path is verified.
    unsigned thorough_every = 6;
    // The time between two checks of node-wide attachments.
    std::chrono::milliseconds node_interval{1000};
};

class Reconciler {
  public:
    // Starts the thread. Enroller and conditions must outlive the reconciler.
    Reconciler(Enroller& enroller, Conditions& conditions, ReconcilerTiming timing = {});
    // Stops the thread after its current attachment.
    ~Reconciler();
    Reconciler(const Reconciler&) = delete;
    Reconciler& operator=(const Reconciler&) = delete;

    // For the pod source's callback; does not block.
    void pod_changed(const PodName& name);

    // The time since the end of a pass: many intervals mean that the thread hangs.
    std::chrono::milliseconds age() const;

  private:
    void loop();
    Result<void> pass();
    void follow_changes(const std::set<PodName>& changed);

    Enroller& enroller_;
    Conditions& conditions_;
    const ReconcilerTiming timing_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::set<PodName> changed_;
    bool stopping_ = false;
    unsigned passes_ = 0;  // of the thread alone
    std::atomic<std::chrono::steady_clock::time_point> last_pass_;
    std::thread thread_;  // last: it uses the others
};

}  // namespace fsm
