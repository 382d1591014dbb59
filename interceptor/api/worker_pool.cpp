#include "interceptor/api/worker_pool.h"

#include <pthread.h>

#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

namespace fsm {

namespace {

constexpr std::chrono::seconds kIdleTime{10};

}  // namespace

WorkerPool::~WorkerPool() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    jobs_.clear();
    wake_.notify_all();
    all_gone_.wait(lock, [&] { return threads_ == 0; });
}

void WorkerPool::run(std::function<void()> job) {
    const std::lock_guard guard(mutex_);
    if (stopping_) {
        return;
    }
    jobs_.push_back(std::move(job));
    if (idle_ >= jobs_.size() || threads_ >= max_threads_) {
        wake_.notify_one();
        return;
    }
    try {
        std::thread([this] { work(); }).detach();  // the destructor waits for threads_ to be 0
        ++threads_;
    } catch (const std::system_error&) {
        // No more threads on this machine: the ones that there are take the job in their turn.
        wake_.notify_one();
    }
}

bool WorkerPool::next(std::function<void()>& job) {
    std::unique_lock lock(mutex_);
    ++idle_;
    wake_.wait_for(lock, kIdleTime, [&] { return stopping_ || !jobs_.empty(); });
    --idle_;
    if (stopping_ || jobs_.empty()) {
        --threads_;
        // With the lock held: the destructor goes on when it is free, and nothing of the pool is
        // touched after that.
        all_gone_.notify_all();
        return false;
    }
    job = std::move(jobs_.front());
    jobs_.pop_front();
    return true;
}

void WorkerPool::work() {
    pthread_setname_np(pthread_self(), "fsm-api-worker");
    std::function<void()> job;
    while (next(job)) {
        job();
        job = nullptr;
    }
}

}  // namespace fsm
