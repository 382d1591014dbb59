// AttachmentRemoval: takes attachments away that the container runtime no longer has: DEL, GC, and
// the notes that the plugin leaves of a DEL while the interceptor is away.
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

// What the runtime says of an attachment that it takes away.
struct Removal {
    AttachmentKey key;    // its network may be empty: not known
    std::string netns;    // as the runtime names it; may be empty
    std::string pod_uid;  // may be empty
};

// Threads: every function may be called from any thread.
class AttachmentRemoval {
  public:
    // Everything referred to must outlive this.
    AttachmentRemoval(AttachmentLifeCycle& attachments, const PodNamespaces& namespaces,
                      DeletionNotes notes, Conditions& conditions)
        : attachments_(attachments),
          namespaces_(namespaces),
          notes_(std::move(notes)),
          conditions_(conditions) {}

    // A pod leaves the mesh with its last attachment.
    CniOutcome remove(const Removal& removal);
    // Those of the network that its list of valid ones leaves out.
    CniOutcome remove_stale(const cni::Network& network);
    void consume_deletion_notes();

    // The attachment itself; without its network, those of its interface; else those of an unknown
    // network that fit.
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
