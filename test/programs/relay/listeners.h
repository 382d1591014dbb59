// The relay's listening sockets, one set per worker.
#pragma once

#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "relay/config.h"

namespace fsm::test {

struct Listener {
    Direction direction = Direction::outbound;
    Fd fd;
};
using ListenerSet = std::vector<Listener>;

Result<ListenerSet> open_listeners(const Config& config);

// Directs new connections to a successor that listens on the same ports, because a connection in a
// listener's queue is lost when the listener is closed. `own_workers` is the number of this
// process's sockets in every SO_REUSEPORT group; those of the successor follow them.
Result<void> steer_to_successor(const Listener& listener, std::uint64_t own_workers);

}  // namespace fsm::test
