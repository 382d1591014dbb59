// NodeTaint: removes a taint from this node as soon as the interceptor is ready, and again if it
// returns while the interceptor is ready.
//
// A node that registers with the taint, or gets it before its kubelet starts, starts no pod that
// does not tolerate it until every pod that starts is intercepted.
//
// Needs the verbs get and patch for the node.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/problem.h"
#include "common/result.h"
#include "interceptor/kubernetes/api_client.h"
#include "interceptor/kubernetes/backoff.h"

namespace fsm {

struct NodeTaintOptions {
    std::string node;
    std::string key;  // of the taint; its value and its effect do not matter
    // How often readiness is checked before the first removal.
    std::chrono::milliseconds readiness_interval{200};
    // How often the node is checked after the removal: it may register again.
    std::chrono::milliseconds look_interval{60'000};
    std::chrono::milliseconds answer_time{5000};
    BackoffLimits backoff;
};

// Threads: problems() may be called from any thread, the others from one.
class NodeTaint {
  public:
    NodeTaint(const ClusterAccess& access, NodeTaintOptions options);
    ~NodeTaint();
    NodeTaint(const NodeTaint&) = delete;
    NodeTaint& operator=(const NodeTaint&) = delete;

    // Call once: starts the thread, which calls `ready`; an Error means that pods cannot be started
    // yet.
    void start(std::function<Result<void>()> ready);
    // Stops calling `ready`; cancels a request that is in progress.
    void stop();

    // Why the taint may still be on the node, for the status; empty if there is no problem.
    std::vector<Problem> problems() const;

  private:
    void run();
    // False: stop.
    bool wait(std::chrono::milliseconds time);
    bool wait_until_ready();
    Result<void> remove(const std::string& query);
    void publish(const Result<void>& outcome);

    const NodeTaintOptions options_;
    const std::string path_;
    std::function<Result<void>()> ready_;
    bool seen_gone_ = false;  // of the thread alone: the last look found no taint of ours
    ApiClient client_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::string problem_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace fsm
