#include "interceptor/sync/enrolment_times.h"

#include <algorithm>

namespace fsm {

void EnrolmentTimes::enrolled(std::chrono::steady_clock::duration after) {
    const double seconds = std::chrono::duration<double>(after).count();
    const auto* bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
    const std::lock_guard guard(mutex_);
    ++histogram_.counts[static_cast<std::size_t>(bound - kBounds.begin())];
    ++histogram_.count;
    histogram_.sum_seconds += seconds;
}

EnrolmentTimes::Histogram EnrolmentTimes::histogram() const {
    const std::lock_guard guard(mutex_);
    return histogram_;
}

}  // namespace fsm
