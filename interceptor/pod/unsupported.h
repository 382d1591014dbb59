// Requests of a pod that are not supported (the table `unsupported` of a profile), and other
// containers with the sidecar's identity. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "interceptor/pod/mesh_profile.h"

namespace fsm {

// The first entry that refuses the pod and that the pod asks for, as a sentence.
std::optional<std::string> refusal_of(const MeshProfile& profile, const Pod& pod,
                                      const Container& sidecar);

// Sentences about the other entries that the pod asks for.
std::vector<PodProblem> unsupported_requests(const MeshProfile& profile, const Pod& pod,
                                             const Container& sidecar);

// Other containers whose processes have the sidecar's uid or gid: what they send is not
// intercepted, and nothing in the data path can tell. `problems` are about those that run beside
// the sidecar, `notes` about init containers, where some users want just that.
struct SharedIdentity {
    std::vector<PodProblem> problems;
    std::vector<std::string> notes;
};
SharedIdentity shared_identity(const MeshProfile& profile, const Pod& pod, const Container& sidecar,
                               const InterceptionPolicy& policy);

}  // namespace fsm
