// The destination of an accepted connection.
#pragma once

#include <optional>

#include "common/result.h"
#include "relay/config.h"
#include "relay/report.h"

namespace fsm::test {

struct Route {
    std::optional<Endpoint> source;
    Endpoint destination;
};

// An error if the original destination is unknown, or is the relay itself: following it would
// create an endless loop of connections.
Result<Route> route(const Config& config, const Observation& observation);

// A non-blocking socket whose connect() has been started along `way`.
Result<Fd> start_connect(const Route& way);

}  // namespace fsm::test
