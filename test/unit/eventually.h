// Waits, in tests, until a condition is true.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace fsm::testing {

// Whether it becomes true in time.
inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

}  // namespace fsm::testing
