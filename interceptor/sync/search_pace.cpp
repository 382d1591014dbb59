#include "interceptor/sync/search_pace.h"

#include <algorithm>

namespace fsm {

bool SearchPace::is_due(const std::set<std::string>& uids, Clock::time_point now) {
    if (uids.empty()) {
        looked_for_.clear();
        return false;
    }
    const bool same =
        std::includes(looked_for_.begin(), looked_for_.end(), uids.begin(), uids.end());
    if (same && now < next_) {
        return false;
    }
    pause_ = same ? std::min(2 * pause_, kLongestPause) : kFirstPause;
    next_ = now + pause_;
    looked_for_ = uids;
    return true;
}

}  // namespace fsm
