// Maintenance: periodic work that keeps interception in place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace fsm {

// An event of a pod that its state does not show afterwards.
struct PodEvent {
    std::uint64_t netns_cookie = 0;
    std::string what;         // a sentence about the pod
    std::uint64_t times = 0;  // since the last call, at least
};

// Threads: every function may be called from any thread.
class Maintenance {
  public:
    virtual ~Maintenance() = default;

    // Checks the node-wide attachments, and restores missing ones. Returns what was restored, for
    // the log; what could not be is in Inspection::node_conditions().
    virtual std::vector<std::string> verify_node() { return {}; }

    // Pods whose sidecar did something to which PodInterception::enrol() must react (a listener
    // that the pod's inbound mechanism cannot reach). Cheap: call it every second or so.
    virtual Result<std::vector<std::uint64_t>> pods_to_enrol_again() const {
        return std::vector<std::uint64_t>();
    }

    // The events since the last call. Cheap: call it every second or so.
    virtual std::vector<PodEvent> take_events() { return {}; }

    // Removes what ended pods and connections have left (tc flows in TIME_WAIT). Call it every few
    // seconds.
    virtual Result<void> sweep() = 0;
};

}  // namespace fsm
