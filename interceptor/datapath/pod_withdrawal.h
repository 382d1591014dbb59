// Withdraws one pod from the data path.
#pragma once

#include <cstdint>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/datapath/pod_parts.h"

namespace fsm {

// With the pod's lock held. `netns` is null if the namespace no longer exists. The error lists what
// could not be removed; withdrawing again removes it.
Result<void> withdraw_pod(const PodParts& parts, std::uint64_t netns_cookie, const Netns* netns);

}  // namespace fsm
