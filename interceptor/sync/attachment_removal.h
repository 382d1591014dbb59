// AttachmentRemoval: removes attachments that the container runtime no longer has: by DEL, by GC,
// and by the deletion notes that the plugin leaves while the interceptor cannot be reached.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/cni/network.h"
#include "interceptor/health/conditions.h"
#include "interceptor/sync/attachment_life_cycle.h"
#include "interceptor/sync/cni_error.h"
#include "interceptor/sync/deletion_notes.h"
#include "interceptor/sync/pod_namespaces.h"

namespace fsm {

// An attachment to remove, as named by the runtime.
struct Removal {
    AttachmentKey key;    // the network may be empty (unknown)
    std::string netns;    // the runtime's path; may be empty
    std::string pod_uid;  // may be empty
};

// Threads: every function may be called from any thread.
class AttachmentRemoval {
  public:
    // Everything that is passed by reference must outlive this object.
    AttachmentRemoval(AttachmentLifeCycle& attachments, const PodNamespaces& namespaces,
                      DeletionNotes notes, Conditions& conditions)
        : attachments_(attachments),
          namespaces_(namespaces),
          notes_(std::move(notes)),
          conditions_(conditions) {}

    // A pod leaves the mesh with its last attachment.
    CniOutcome remove(const Removal& removal);
    // Removes the attachments of a network that are not in its list of valid ones.
    CniOutcome remove_stale(const cni::Network& network);
    void consume_deletion_notes();

    // The attachment itself; without a network, all of its interface; otherwise the matching ones
    // of an unknown network.
    std::vector<AttachmentKey> keys_of(const Removal& removal) const;

  private:
    AttachmentLifeCycle::Locks lock(const Removal& removal);
    // With the locks held.
    CniOutcome remove_locked(const Removal& removal);
    CniOutcome remove_state(const AttachmentState& state, const Removal& removal);
    CniOutcome remove_unknown(const Removal& removal);

    AttachmentLifeCycle& attachments_;
    const PodNamespaces& namespaces_;
    const DeletionNotes notes_;
    Conditions& conditions_;
};

}  // namespace fsm
