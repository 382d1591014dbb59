// Finds the living network namespaces of this node.
#pragma once

#include <functional>
#include <string>

#include "common/netns.h"
#include "common/result.h"

namespace fsm {

// Visits once every namespace of a process below `proc`, and every mounted one (a pod's namespace
// may have no process yet). Namespaces that end meanwhile are omitted.
Result<void> for_each_netns(const std::string& proc,
                            const std::function<void(const Netns&)>& visit);

}  // namespace fsm
