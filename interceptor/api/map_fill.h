// MapFill: the number of entries in the data path's maps, for scrapes. The kernel does not count
// entries, so counting walks every map: it is done at most once per period, however many clients
// ask.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <vector>

#include "common/result.h"
#include "interceptor/interception/inspection.h"

namespace fsm {

// Threads: every function may be called from any thread.
class MapFill {
  public:
    static constexpr std::chrono::seconds kPeriod{60};

    // A result that is at most kPeriod old. An error is not cached: the next call tries again.
    Result<std::vector<DatapathMap>> of(const Inspection& datapath);

  private:
    using Clock = std::chrono::steady_clock;

    std::mutex mutex_;
    std::optional<std::vector<DatapathMap>> counted_;
    Clock::time_point at_;
};

}  // namespace fsm
