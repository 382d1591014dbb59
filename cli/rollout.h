// Waiting for a mesh's interceptors: until they serve on every node, or until they are gone.
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

// Both print a line to standard output whenever something has changed. What is still missing when
// the time is over stands in the error, with the reason that the cluster gives for it. A question
// that the API server does not answer is asked again until then.

// Every node has an interceptor of the newest revision that is ready.
Result<void> wait_for_rollout(const Kubectl& kubectl, const Awaited& awaited);
// No interceptor is left: each has taken itself off its node.
Result<void> wait_for_removal(const Kubectl& kubectl, const Awaited& awaited);

}  // namespace fsm::cli
