#include "interceptor/health/periodic_checks.h"

#include <pthread.h>

#include <utility>

#include "common/guarded.h"
#include "interceptor/log/log.h"

namespace fsm {

PeriodicChecks::PeriodicChecks(Conditions& conditions, std::vector<PeriodicCheck> checks,
                               std::chrono::milliseconds interval)
    : conditions_(conditions), checks_(std::move(checks)), interval_(interval) {
    run_all();
    thread_ = std::thread([this] { loop(); });
}

PeriodicChecks::~PeriodicChecks() {
    {
        const std::lock_guard guard(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void PeriodicChecks::run_all() {
    for (const PeriodicCheck& check : checks_) {
        conditions_.follow(check.component, check.key, guarded(check.key, check.run));
    }
    // all() also logs and reports the conditions that it queries, even if no client calls the API.
    const auto asked = guarded("ask what is wrong", [&] { conditions_.all(); });
    if (!asked) {
        log::error("{}", asked.error().message());
    }
}

void PeriodicChecks::loop() {
    pthread_setname_np(pthread_self(), "fsm-checks");
    while (true) {
        {
            std::unique_lock lock(mutex_);
            if (wake_.wait_for(lock, interval_, [&] { return stopping_; })) {
                return;
            }
        }
        run_all();
    }
}

}  // namespace fsm
