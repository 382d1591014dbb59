// MapFill: how full the maps of the data path are, for scrapes. The kernel does not count entries,
// so counting walks every map: it is done at most once in a period, however often and by however
// many it is asked for.
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

    // As it was at most kPeriod ago. An error is not kept: the next call tries again.
    Result<std::vector<DatapathMap>> of(const Inspection& datapath);

  private:
    using Clock = std::chrono::steady_clock;

    std::mutex mutex_;
    std::optional<std::vector<DatapathMap>> counted_;
    Clock::time_point at_;
};

}  // namespace fsm
