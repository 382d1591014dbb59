// PeriodicChecks: a thread that checks every few seconds what no event reports, and updates the
// conditions: a failed check is set while it lasts, and cleared when it succeeds.
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
    // Called from the thread only. An Error is the condition, and so is an exception.
    std::function<Result<void>()> run;
};

class PeriodicChecks {
  public:
    // Runs each check before it returns, so that the status is complete from the start, and then
    // from its own thread. What the checks refer to must outlive this object.
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
