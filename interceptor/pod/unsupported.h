// Requests of a pod that are not supported (the table `unsupported` of a profile), and other
// containers with the sidecar's identity. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "interceptor/pod/mesh_profile.h"

namespace fsm {

// The first entry that the pod requests and that refuses it, as a sentence.
std::optional<std::string> refusal_of(const MeshProfile& profile, const Pod& pod,
                                      const Container& sidecar);

// Sentences about the other entries that the pod requests.
std::vector<PodProblem> unsupported_requests(const MeshProfile& profile, const Pod& pod,
                                             const Container& sidecar);

// Other containers whose processes have the sidecar's uid or gid: their traffic is not intercepted,
// and the data path cannot detect it. `problems` are about containers beside the sidecar, `notes`
// about init containers, for which it can be intended.
struct SharedIdentity {
    std::vector<PodProblem> problems;
    std::vector<std::string> notes;
};
SharedIdentity shared_identity(const MeshProfile& profile, const Pod& pod, const Container& sidecar,
                               const InterceptionPolicy& policy);

}  // namespace fsm
