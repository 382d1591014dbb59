// Backoff: the time to wait before the next attempt, longer each time, with jitter so that clients
// do not retry at the same moment.
#pragma once

#include <chrono>
#include <random>

namespace fsm {

struct BackoffLimits {
    std::chrono::milliseconds first{500};
    std::chrono::milliseconds longest{30'000};
};

// For one thread only.
class Backoff {
  public:
    explicit Backoff(BackoffLimits limits = {});

    // A random time between half of the step and the whole step; the step doubles up to the
    // maximum.
    std::chrono::milliseconds next();
    // Call after a success.
    void reset() { step_ = limits_.first; }

  private:
    const BackoffLimits limits_;
    std::chrono::milliseconds step_;
    std::minstd_rand random_;
};

}  // namespace fsm
