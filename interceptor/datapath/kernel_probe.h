// Finds out what the running kernel does with sockets in a socket map, by trying it.
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
    // The rule under which redirected data neither overtakes TCP's nor grows without bound can be
    // kept here. Without it nothing is accelerated, whatever was asked for.
    bool order_and_flow_control = false;
    Acceleration automatic = Acceleration::off;
    std::string reason;  // of `automatic`: a sentence
};

// An error only when the trial itself cannot be set up (no privilege, no network namespaces); what
// the kernel does not do is a capability that does not work.
Result<KernelProbe> probe_kernel();

}  // namespace fsm
