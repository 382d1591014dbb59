// Maintenance: what has to be done from time to time so that interception stays as it was made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace fsm {

// What a mode has seen happen to a pod, and what its state does not tell afterwards.
struct PodEvent {
    std::uint64_t netns_cookie = 0;
    std::string what;         // a sentence about the pod
    std::uint64_t times = 0;  // since the last call, at least
};

// Threads: every function may be called from any thread.
class Maintenance {
  public:
    virtual ~Maintenance() = default;

    // Looks at what is attached for the whole node, and puts back what is missing. Returns what was
    // put back, for the log; what could not be is in Inspection::node_conditions().
    virtual std::vector<std::string> verify_node() { return {}; }

    // Pods whose sidecar did something that PodInterception::enrol() has to answer (a listener that
    // the pod's inbound mechanism cannot reach). Cheap: to be asked every second or so.
    virtual Result<std::vector<std::uint64_t>> pods_to_enrol_again() const {
        return std::vector<std::uint64_t>();
    }

    // What has happened since the last call. Cheap: to be asked every second or so.
    virtual std::vector<PodEvent> take_events() { return {}; }

    // Removes what pods and connections have left behind after their time (tc flows in TIME_WAIT).
    // To be called every few seconds.
    virtual Result<void> sweep() = 0;
};

}  // namespace fsm
