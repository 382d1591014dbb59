// ReinsertionPace: how soon our entry is put back after another program has taken it out. At once
// the first time; then ever later, so that two programs that undo each other do not keep a node
// busy.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace fsm {

// Threads: one at a time. Time is passed in.
class ReinsertionPace {
  public:
    using Clock = std::chrono::steady_clock;

    static constexpr std::chrono::seconds kFirstPause{1};
    static constexpr std::chrono::seconds kLongestPause{300};
    // An entry that stays that long has no opponent any more.
    static constexpr std::chrono::seconds kSettledAfter{900};

    // The entry is in `file` still, or was put into it this moment. Both return how often it had
    // been taken out of that file before, in the present conflict.
    unsigned record_present(const std::string& file, Clock::time_point now);
    unsigned record_put_in(const std::string& file, Clock::time_point now);

    // Nothing is put in before.
    Clock::time_point not_before() const { return not_before_; }

    struct Conflict {
        std::string file;
        unsigned times;              // that the entry was taken out
        std::chrono::seconds pause;  // until it is put back the next time
    };
    std::optional<Conflict> conflict(Clock::time_point now) const;

  private:
    struct History {
        unsigned lost = 0;
        Clock::time_point last_put_in;
    };

    // The file's history, which begins now unless it is known; whether it does.
    std::pair<History&, bool> history_of(const std::string& file, Clock::time_point now);

    std::map<std::string, History> files_;
    std::string last_;
    Clock::time_point not_before_;
};

}  // namespace fsm
