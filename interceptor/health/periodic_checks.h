// PeriodicChecks: a thread that looks every few seconds at what no event tells of, and keeps the
// conditions true: what a check finds is set while it lasts, and cleared when it is over.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/result.h"
#include "interceptor/health/conditions.h"

namespace fsm {

struct PeriodicCheck {
    Component component;
    std::string key;
    // From the thread alone. An Error is the condition; an exception is one, too.
    std::function<Result<void>()> run;
};

class PeriodicChecks {
  public:
    // Runs each check before it returns, so that the status is complete from the start, and then
    // from a thread of its own. What the checks refer to must outlive this.
    PeriodicChecks(Conditions& conditions, std::vector<PeriodicCheck> checks,
                   std::chrono::milliseconds interval = std::chrono::seconds(5));
    ~PeriodicChecks();
    PeriodicChecks(const PeriodicChecks&) = delete;
    PeriodicChecks& operator=(const PeriodicChecks&) = delete;

  private:
    void run_all();
    void loop();

    Conditions& conditions_;
    const std::vector<PeriodicCheck> checks_;
    const std::chrono::milliseconds interval_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses the others
};

}  // namespace fsm
