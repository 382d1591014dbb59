// MeshRules: decides which pods of this node are in the mesh, and how they are intercepted.
#pragma once

#include "interceptor/pod/mesh_profile.h"
#include "interceptor/pod/pod.h"

namespace fsm {

struct MeshRules {
    MeshProfile profile;
    NodeDefaults defaults;

    Decision decide(const Pod& pod) const { return fsm::decide(profile, pod, defaults); }
};

}  // namespace fsm
