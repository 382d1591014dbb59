// PodEvents: warnings about pods as Kubernetes events, which `kubectl describe pod` shows.
//
// A thread of its own writes them, a few a second. One that was told within the hour (that is how
// long the API keeps events) is not told again, not even by the next process: the event's name
// comes from what it says. While the API is away the last ones are kept and tried again; what is
// too much is dropped and counted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "interceptor/kubernetes/api_client.h"
#include "interceptor/kubernetes/backoff.h"
#include "interceptor/pod/pod_notifier.h"

namespace fsm {

struct PodEventsOptions {
    std::string host;  // the node, as the events' source
    std::size_t max_waiting = 256;
    std::size_t max_remembered = 4096;  // pods and reasons
    std::size_t max_of_a_reason = 5;    // for one pod, until they are forgotten
    std::chrono::milliseconds forget_after = std::chrono::hours(1);
    // Between two events, once `burst` have gone out without a pause.
    std::chrono::milliseconds interval{500};
    unsigned burst = 25;
    unsigned attempts = 5;
    BackoffLimits backoff;
};

// Threads: every function may be called from any thread, but for the destructor.
class PodEvents final : public PodNotifier {
  public:
    PodEvents(const ClusterAccess& access, PodEventsOptions options);
    // What has not been written is dropped.
    ~PodEvents() override;
    PodEvents(const PodEvents&) = delete;
    PodEvents& operator=(const PodEvents&) = delete;

    void warn(const PodWarning& warning) override;

    // Warnings that could not be told.
    std::uint64_t dropped() const;

  private:
    using Clock = std::chrono::steady_clock;
    enum class Outcome : std::uint8_t { told, refused, try_again };

    void run();
    bool wait(std::chrono::milliseconds time);
    void tell(const PodWarning& warning);
    Outcome attempt(const PodWarning& warning);
    void wait_for_turn();
    void drop(const std::string& why);
    // With the lock held.
    bool is_news(const PodWarning& warning);
    void forget_old();

    const PodEventsOptions options_;
    ApiClient client_;

    // Of the thread alone.
    double turns_;  // events that may go out now
    Clock::time_point turns_at_ = Clock::now();

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<PodWarning> waiting_;
    // By pod and reason: the names of the events, and when they were told.
    std::map<std::string, std::map<std::string, Clock::time_point>> told_;
    std::uint64_t dropped_ = 0;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses the others
};

}  // namespace fsm
