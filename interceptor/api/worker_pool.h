// WorkerPool: threads that run jobs, started on demand and ended when idle.
//
// A request can wait for seconds for its pod, so many threads may be needed; but a burst of
// requests that do not wait completes sooner on a few threads than on many that share the
// processors. So a few threads are started at once, and as many again whenever waiting jobs were
// not taken for a moment.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace fsm {

// Threads: every function may be called from any thread. What a
// job throws is logged.
class WorkerPool {
  public:
    explicit WorkerPool(std::size_t max_threads);
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    // Waits for running jobs and drops waiting ones.
    ~WorkerPool();

    void run(std::function<void()> job);

  private:
    // With mutex_ held.
    void start_thread();
    void relieve();
    void work();
    bool next(std::function<void()>& job);

    const std::size_t max_threads_;
    const std::size_t few_threads_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable jobs_wait_;
    std::condition_variable all_gone_;
    std::deque<std::function<void()>> jobs_;
    std::size_t threads_ = 0;
    std::size_t idle_ = 0;
    std::uint64_t taken_ = 0;  // total of jobs
    bool stopping_ = false;
    std::thread relief_;  // last: it uses the others
};

}  // namespace fsm
