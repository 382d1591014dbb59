// Takes one pod out of the data path.
#pragma once

#include <cstdint>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/datapath/pod_parts.h"

namespace fsm {

// With the pod's lock held. `netns` is null when the namespace is gone. What could not be removed
// is in the error, and is removed by withdrawing again.
Result<void> withdraw_pod(const PodParts& parts, std::uint64_t netns_cookie, const Netns* netns);

}  // namespace fsm
