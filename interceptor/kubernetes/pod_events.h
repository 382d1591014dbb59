// PodEvents: warnings about pods as Kubernetes events, which `kubectl describe pod` shows.
//
// A separate thread writes them, a few per second. An event that was written within the hour (the
// time for which the API keeps events) is not written again, not even by the next process: its name
// is derived from its content. While the API is out of reach, events wait: duplicates are
// coalesced, and of one pod and reason the last few, and of all the newest, are kept; the dropped
// ones are counted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

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
    // A warning that the API has refused is not sent again for this time.
    std::chrono::milliseconds refused_for = std::chrono::minutes(1);
    // The time between two events, after `burst` have been sent without a pause.
    std::chrono::milliseconds interval{500};
    unsigned burst = 25;
    BackoffLimits backoff;  // while the API does not take any
};

// Threads: every function may be called from any thread, but for the destructor.
class PodEvents final : public PodNotifier {
  public:
    PodEvents(const ClusterAccess& access, PodEventsOptions options);
    // Drops events that have not been written.
    ~PodEvents() override;
    PodEvents(const PodEvents&) = delete;
    PodEvents& operator=(const PodEvents&) = delete;

    void warn(const PodWarning& warning) override;

    std::size_t waiting() const override;
    std::uint64_t dropped() const override;
    std::vector<Problem> problems() const override;

  private:
    using Clock = std::chrono::steady_clock;
    enum class Outcome : std::uint8_t { written, refused, unreachable, not_now };

    struct Waiting {
        PodWarning warning;
        std::string subject;  // pod and reason
        std::string event;    // its name
        std::string since;    // when it was seen, as the API writes times
    };

    void run();
    // Takes the next event to write; false: stop.
    bool take(Waiting& next);
    bool wait(std::chrono::milliseconds time);
    void wait_for_turn();
    Outcome attempt(const Waiting& next);
    void conclude(const Waiting& done, Outcome outcome);
    void note_failure(const std::string& why);

    // With the lock held.
    bool is_known(const Waiting& candidate) const;
    bool coalesce(Waiting& candidate);
    void put_back(const Waiting& unwritten, Outcome outcome);
    void forget_old();
    void drop(const PodName& pod, const std::string& why);

    const PodEventsOptions options_;
    ApiClient client_;

    // Used by the thread only.
    double turns_;  // events that may go out now
    Clock::time_point turns_at_ = Clock::now();
    Backoff backoff_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Waiting> waiting_;     // oldest first
    std::optional<Waiting> at_work_;  // taken out of those, and neither written nor put back yet
    // By subject: the names of the events that are settled, and until when.
    std::map<std::string, std::map<std::string, Clock::time_point>> settled_;
    std::uint64_t dropped_ = 0;
    std::string failure_;  // of the last attempt; empty: it succeeded
    Clock::time_point failed_at_;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses the others
};

}  // namespace fsm
