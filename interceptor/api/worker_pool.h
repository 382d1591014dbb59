// WorkerPool: threads that run jobs, started when they are needed and gone after a time without
// work.
//
// A request can wait for seconds for its pod, so that many threads may be needed; but a burst of
// requests that do not wait is done sooner when a few threads take one after the other than when
// all of them share the processors. So a few are started at once, and as many again whenever jobs
// have waited for a moment in which none was taken.
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
    // Waits for the running jobs and drops those that wait.
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
    std::uint64_t taken_ = 0;  // jobs, ever
    bool stopping_ = false;
    std::thread relief_;  // last: it uses the others
};

}  // namespace fsm
