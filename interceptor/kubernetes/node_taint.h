// NodeTaint: takes a taint off this node as soon as the interceptor is ready, and whenever it is
// put there again while the interceptor is.
//
// A node that registers with the taint, or gets it before its kubelet starts, starts no pod that
// does not tolerate it until pods cannot start around the mesh any more.
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
    // How often readiness is looked at before the first time.
    std::chrono::milliseconds readiness_interval{200};
    // How often the node is looked at once the taint is gone: it may be registered again.
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

    // Once: starts the thread, which calls `ready`; an Error says that pods cannot be started yet.
    void start(std::function<Result<void>()> ready);
    // `ready` is not called any more; a request that is under way is broken off.
    void stop();

    // Why the taint may still be on the node, for the status; empty while all is well.
    std::vector<Problem> problems() const;

  private:
    void run();
    // False: the end.
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
