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

unsigned ReinsertionPace::seen(const std::string& file, bool put_in, Clock::time_point now) {
    last_ = file;
    const auto known = files_.find(file);
    if (known == files_.end()) {
        files_[file] = {0, now};
        return 0;
    }
    History& history = known->second;
    if (put_in) {
        const bool old_story = now - history.last_put_in > kPeace;
        history = {old_story ? 1 : history.lost + 1, now};
        not_before_ = now + pause_after(history.lost);
    }
    return history.lost;
}

std::optional<ReinsertionPace::Quarrel> ReinsertionPace::quarrel(Clock::time_point now) const {
    const auto found = files_.find(last_);
    if (found == files_.end() || found->second.lost < 2 ||
        now - found->second.last_put_in > kPeace) {
        return std::nullopt;
    }
    return Quarrel{last_, found->second.lost, pause_after(found->second.lost)};
}

}  // namespace fsm
