// EnrolmentTimes: how long pods of the mesh were known to the interceptor before they were enrolled
// for the first time, as a histogram. It includes the time in which the container runtime made the
// pod's network.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace fsm {

// Threads: every function may be called from any thread.
class EnrolmentTimes {
  public:
    // In seconds. A busy node takes several to start a pod.
    static constexpr std::array kBounds = {0.005, 0.01, 0.025, 0.05, 0.1,  0.25, 0.5,
                                           1.0,   2.5,  5.0,   10.0, 30.0, 60.0};

    struct Histogram {
        // By bound, each alone; the last one is of those beyond.
        std::array<std::uint64_t, kBounds.size() + 1> counts{};
        std::uint64_t count = 0;
        double sum_seconds = 0;
    };

    void enrolled(std::chrono::steady_clock::duration after);
    Histogram histogram() const;

  private:
    mutable std::mutex mutex_;
    Histogram histogram_;
};

}  // namespace fsm
