// The server's findings about checked streams, which the client queries. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace fsm::test {

class Verdicts {
  public:
    void give(std::uint64_t id, std::string text) {
        const std::lock_guard lock(mutex_);
        texts_[id] = std::move(text);
        changed_.notify_all();
    }

    // Waits for the finding; an error if it does not come.
    std::string take(std::uint64_t id, std::chrono::seconds patience) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, patience, [&] { return texts_.contains(id); })) {
            return "the server knows nothing about this stream";
        }
        return texts_.extract(id).mapped();
    }

    void wake(std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        woken_.insert(id);
        changed_.notify_all();
    }

    // True when it was woken within `patience`.
    bool wait_for_wake(std::uint64_t id, std::chrono::milliseconds patience) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, [&] { return woken_.erase(id) > 0; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::uint64_t, std::string> texts_;
    std::set<std::uint64_t> woken_;
};

}  // namespace fsm::test
