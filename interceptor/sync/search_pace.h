// SearchPace: how often all processes of the node are looked through for pods without an
// attachment. At once for a pod that has not been looked for yet, then ever more rarely: most of
// them have simply not started yet, and will come by the container runtime.
#pragma once

#include <chrono>
#include <set>
#include <string>

namespace fsm {

// Threads: one at a time. The caller passes the time.
class SearchPace {
  public:
    using Clock = std::chrono::steady_clock;

    static constexpr std::chrono::seconds kFirstPause{2};
    static constexpr std::chrono::seconds kLongestPause{16};

    // Whether to search for pods with these uids now; if so, the search counts as done.
    bool is_due(const std::set<std::string>& uids, Clock::time_point now);

  private:
    std::set<std::string> looked_for_;
    Clock::time_point next_;
    std::chrono::seconds pause_{0};
};

}  // namespace fsm
