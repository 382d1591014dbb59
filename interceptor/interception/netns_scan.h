// The network namespaces that are alive on this node, without being told of them.
#pragma once

#include <functional>
#include <string>

#include "common/netns.h"
#include "common/result.h"

namespace fsm {

// Visits every namespace that a process below `proc` is in, or that is mounted somewhere (a pod's
// namespace may have no process yet), each once. What ends meanwhile is left out.
Result<void> for_each_netns(const std::string& proc,
                            const std::function<void(const Netns&)>& visit);

}  // namespace fsm
