// CniVerbs: the CNI verbs of the container runtime. docs/failure-policy.md lists which failures
// stop a pod.
#pragma once

#include <chrono>
#include <string_view>

#include "common/cni/request.h"
#include "interceptor/interception/inspection.h"
#include "interceptor/interception/pod_interception.h"
#include "interceptor/sync/attachment_life_cycle.h"
#include "interceptor/sync/attachment_removal.h"
#include "interceptor/sync/cni_add.h"
#include "interceptor/sync/cni_error.h"

namespace fsm {

// Threads: every function may be called from any thread. Operations on one container are
// serialised; those on different containers run at the same time.
class CniVerbs {
  public:
    // What they work with. Everything referred to must outlive them.
    struct Parts {
        CniAdd& add;
        AttachmentRemoval& removal;
        AttachmentLifeCycle& attachments;
        const PodNamespaces& namespaces;
        const MeshRules& rules;
        const PodLookup& lookup;
        const PodInterception& interception;
        const Inspection& inspection;
    };

    CniVerbs(const Parts& parts, std::chrono::milliseconds lookup_timeout)
        : parts_(parts), lookup_timeout_(lookup_timeout) {}

    CniOutcome create(const cni::Request& request) { return parts_.add.add(request); }
    // A pod leaves the mesh with its last attachment.
    CniOutcome remove(const cni::Request& request);
    CniOutcome check(const cni::Request& request);
    // Removes the attachments of the configuration's network that are not in its list of valid
    // ones.
    CniOutcome collect_garbage(std::string_view network_config);
    // Whether ADD can be served (50), and whether pods lack the interception they should have (51).
    CniOutcome status() const;

  private:
    CniOutcome check_known(const AttachmentState& state) const;
    CniOutcome check_unknown(const cni::Request& request) const;

    const Parts parts_;
    const std::chrono::milliseconds lookup_timeout_;
};

}  // namespace fsm
