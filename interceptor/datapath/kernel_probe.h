// Probes how the running kernel handles sockets in a socket map.
//
// Versions say little: fixes are back-ported and regressions too. The trial happens in a network
// namespace of its own, with loopback connections of its own, takes well under two
// seconds and leaves nothing behind.
#pragma once

#include <string>
#include <vector>

#include "common/interception.h"
#include "common/result.h"
#include "interceptor/interception/inspection.h"

namespace fsm {

struct KernelProbe {
    std::vector<KernelCapability> capabilities;
    bool sk_lookup = false;  // can be attached to a namespace
    bool tc = false;         // clsact and BPF filters
    // Whether redirected data keeps the order of TCP data, and its amount is bounded. Without this
    // nothing is accelerated, whatever the configuration.
    bool order_and_flow_control = false;
    Acceleration automatic = Acceleration::off;
    std::string reason;  // of `automatic`: a sentence
};

// An error only if the probe itself cannot be set up (no privilege, no network namespaces); a
// missing kernel feature is a capability that does not work.
Result<KernelProbe> probe_kernel();

}  // namespace fsm
