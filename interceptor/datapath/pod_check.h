// Compares the kernel's state of one pod with that of its enrolment, entry by entry.
#pragma once

#include <cstdint>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/datapath/pod_parts.h"

namespace fsm {

// With the pod's lock held. The error names what is missing or was changed; otherwise returns the
// pod's entry.
Result<struct fsm_pod> check_pod(const PodParts& parts, const Netns& netns,
                                 std::uint64_t netns_cookie);

}  // namespace fsm
