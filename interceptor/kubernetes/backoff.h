// Backoff: how long to wait before the next attempt, longer each time, and never for all clients at
// the same moment.
#pragma once

#include <chrono>
#include <random>

namespace fsm {

struct BackoffLimits {
    std::chrono::milliseconds first{500};
    std::chrono::milliseconds longest{30'000};
};

// Not for use by several threads.
class Backoff {
  public:
    explicit Backoff(BackoffLimits limits = {});

    // Between half of the step and the whole of it; the step doubles up to the longest.
    std::chrono::milliseconds next();
    // After a success.
    void reset() { step_ = limits_.first; }

  private:
    const BackoffLimits limits_;
    std::chrono::milliseconds step_;
    std::minstd_rand random_;
};

}  // namespace fsm
