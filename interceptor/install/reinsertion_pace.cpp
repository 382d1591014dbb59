#include "interceptor/install/reinsertion_pace.h"

#include <algorithm>

namespace fsm {

namespace {

std::chrono::seconds pause_after(unsigned lost) {
    if (lost == 0) {
        return std::chrono::seconds(0);
    }
    constexpr unsigned kMostDoublings = 16;
    return std::min(ReinsertionPace::kLongestPause,
                    ReinsertionPace::kFirstPause * (1U << std::min(lost - 1, kMostDoublings)));
}

}  // namespace

std::pair<ReinsertionPace::History&, bool> ReinsertionPace::history_of(const std::string& file,
                                                                       Clock::time_point now) {
    last_ = file;
    const auto [entry, begins] = files_.try_emplace(file, History{0, now});
    return {entry->second, begins};
}

unsigned ReinsertionPace::record_present(const std::string& file, Clock::time_point now) {
    return history_of(file, now).first.lost;
}

unsigned ReinsertionPace::record_inserted(const std::string& file, Clock::time_point now) {
    const auto [history, begins] = history_of(file, now);
    if (begins) {
        return 0;
    }
    const bool is_stale = now - history.last_inserted > kSettledAfter;
    history = {is_stale ? 1 : history.lost + 1, now};
    not_before_ = now + pause_after(history.lost);
    return history.lost;
}

std::optional<ReinsertionPace::Conflict> ReinsertionPace::conflict(Clock::time_point now) const {
    const auto found = files_.find(last_);
    if (found == files_.end() || found->second.lost < 2 ||
        now - found->second.last_inserted > kSettledAfter) {
        return std::nullopt;
    }
    return Conflict{last_, found->second.lost, pause_after(found->second.lost)};
}

}  // namespace fsm
