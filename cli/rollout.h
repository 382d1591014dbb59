// Waits for a mesh's interceptors: until they are ready on every node, or until they are gone.
#pragma once

#include <chrono>
#include <string>

#include "cli/kubectl.h"
#include "common/result.h"

namespace fsm::cli {

struct Awaited {
    std::string mesh_name;
    std::string mesh_namespace;
    std::chrono::seconds limit{0};
};

// Both functions print a line to standard output whenever the state changes. A timeout's error
// names what is missing and the cluster's reason for it. A request that the API server does not
// answer is repeated until then.

// Waits until every selected node has a ready interceptor of the newest revision.
Result<void> wait_for_rollout(const Kubectl& kubectl, const Awaited& awaited);
// Waits until no interceptor is left: each has cleaned up its node.
Result<void> wait_for_removal(const Kubectl& kubectl, const Awaited& awaited);

// "pod a is Pending, ImagePullBackOff: …", for an interceptor's pod that is not ready.
std::string describe_unready(const nlohmann::json& pod);

}  // namespace fsm::cli
