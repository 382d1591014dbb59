// ReinsertionPace: back-off for the reinsertion of our entry after another program has removed it.
// The first time it is immediate; then the pause grows, so that two programs which undo each other
// do not keep a node busy.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace fsm {

// Threads: one at a time. The caller passes the time.
class ReinsertionPace {
  public:
    using Clock = std::chrono::steady_clock;

    static constexpr std::chrono::seconds kFirstPause{1};
    static constexpr std::chrono::seconds kLongestPause{300};
    // An entry that stays this long ends the conflict.
    static constexpr std::chrono::seconds kSettledAfter{900};

    // The entry is still in `file`, or was inserted just now. Both return how often it has been
    // removed from that file in the present conflict.
    unsigned record_present(const std::string& file, Clock::time_point now);
    unsigned record_inserted(const std::string& file, Clock::time_point now);

    // The earliest time of the next insertion.
    Clock::time_point not_before() const { return not_before_; }

    struct Conflict {
        std::string file;
        unsigned times;              // how often the entry was removed
        std::chrono::seconds pause;  // before the next reinsertion
    };
    std::optional<Conflict> conflict(Clock::time_point now) const;

  private:
    struct History {
        unsigned lost = 0;
        Clock::time_point last_inserted;
    };

    // Starts the file's history now unless it exists; returns whether it was started.
    std::pair<History&, bool> history_of(const std::string& file, Clock::time_point now);

    std::map<std::string, History> files_;
    std::string last_;
    Clock::time_point not_before_;
};

}  // namespace fsm
