#include "interceptor/api/worker_pool.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "common/guarded.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

constexpr std::chrono::seconds kIdleTime{10};
// Much longer than a request that does not wait takes.
constexpr std::chrono::milliseconds kPatience{5};

std::size_t processors() {
    return std::max(1U, std::thread::hardware_concurrency());  // 0: not known
}

}  // namespace

WorkerPool::WorkerPool(std::size_t max_threads)
    : max_threads_(max_threads),
      few_threads_(std::min<std::size_t>(max_threads, 2 * processors())),
      relief_([this] { relieve(); }) {}

WorkerPool::~WorkerPool() {
    {
        std::unique_lock lock(mutex_);
        stopping_ = true;
        jobs_.clear();
        wake_.notify_all();
        jobs_wait_.notify_all();
        all_gone_.wait(lock, [&] { return threads_ == 0; });
    }
    relief_.join();
}

void WorkerPool::run(std::function<void()> job) {
    const std::lock_guard guard(mutex_);
    if (stopping_) {
        return;
    }
    jobs_.push_back(std::move(job));
    if (idle_ >= jobs_.size()) {
        wake_.notify_one();
    } else if (threads_ < few_threads_) {
        start_thread();
    } else {
        jobs_wait_.notify_one();
    }
}

void WorkerPool::start_thread() {
    try {
        std::thread([this] { work(); }).detach();  // the destructor waits for threads_ to be 0
        ++threads_;
    } catch (const std::exception&) {
        // No more threads or memory on this machine: the existing threads run the job later.
        wake_.notify_one();
        jobs_wait_.notify_one();
    }
}

void WorkerPool::relieve() {
    pthread_setname_np(pthread_self(), "fsm-api-relief");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        jobs_wait_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
        const std::uint64_t taken_before = taken_;
        // Neither more jobs nor an early wake-up shorten this time.
        const auto until = std::chrono::steady_clock::now() + kPatience;
        jobs_wait_.wait_until(lock, until, [&] { return stopping_; });
        if (stopping_ || taken_ != taken_before) {
            continue;
        }
        const std::size_t more =
            std::min({std::max<std::size_t>(threads_, 1), jobs_.size(), max_threads_ - threads_});
        for (std::size_t started = 0; started < more; ++started) {
            start_thread();
        }
    }
}

bool WorkerPool::next(std::function<void()>& job) {
    std::unique_lock lock(mutex_);
    ++idle_;
    wake_.wait_for(lock, kIdleTime, [&] { return stopping_ || !jobs_.empty(); });
    --idle_;
    if (stopping_ || jobs_.empty()) {
        --threads_;
        // With the lock held: the destructor continues when it is released, and the pool is not
        // used after that.
        all_gone_.notify_all();
        return false;
    }
    job = std::move(jobs_.front());
    jobs_.pop_front();
    ++taken_;
    return true;
}

void WorkerPool::work() {
    pthread_setname_np(pthread_self(), "fsm-api-worker");
    std::function<void()> job;
    while (next(job)) {
        if (const auto done = guarded("answer a request", job); !done) {
            log::error("{}", done.error().message());
        }
        job = nullptr;
    }
}

}  // namespace fsm
