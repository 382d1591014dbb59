// The probes of sockets in a socket map, each with what an application or a sidecar would observe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "interceptor/datapath/probe_lab.h"

namespace fsm {

// Nothing: it works. Otherwise the observation.
using ProbeFailure = std::optional<std::string>;
using Trial = std::function<Result<ProbeFailure>(ProbeLab&)>;

enum class NeededFor : std::uint8_t { sidecar, full };

struct NamedTrial {
    const char* name;
    NeededFor needed_for;
    Trial trial;
};

std::vector<NamedTrial> trials();

}  // namespace fsm
