#include "interceptor/kubernetes/backoff.h"

#include <algorithm>

namespace fsm {

Backoff::Backoff(BackoffLimits limits)
    : limits_(limits), step_(limits.first), random_(std::random_device{}()) {}

std::chrono::milliseconds Backoff::next() {
    const auto step = step_;
    step_ = std::min(step_ * 2, limits_.longest);
    std::uniform_int_distribution<std::chrono::milliseconds::rep> spread(step.count() / 2,
                                                                         step.count());
    return std::chrono::milliseconds(spread(random_));
}

}  // namespace fsm
