// WorkerPool: threads that run jobs, started when they are needed and gone after a time without
// work: a request can wait for seconds for its pod, so that many may be needed, and none mostly.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

namespace fsm {

// Threads: every function may be called from any thread. Jobs must not throw.
class WorkerPool {
  public:
    explicit WorkerPool(std::size_t max_threads) : max_threads_(max_threads) {}
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    // Waits for the running jobs and drops those that wait.
    ~WorkerPool();

    void run(std::function<void()> job);

  private:
    void work();
    bool next(std::function<void()>& job);

    const std::size_t max_threads_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable all_gone_;
    std::deque<std::function<void()>> jobs_;
    std::size_t threads_ = 0;
    std::size_t idle_ = 0;
    bool stopping_ = false;
};

}  // namespace fsm
