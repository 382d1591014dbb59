// AttachmentPasses: keeps every attachment in step with what the pod source says of its pod
// (desired) and what the data path holds (actual): periodically, when a pod changes, and when a
// pod's sidecar did something that its interception has to answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "interceptor/health/conditions.h"
#include "interceptor/interception/maintenance.h"
#include "interceptor/pod/pod_source.h"
#include "interceptor/sync/attachment_life_cycle.h"
#include "interceptor/sync/container_cgroups.h"
#include "interceptor/sync/left_behind.h"
#include "interceptor/sync/mesh_rules.h"
#include "interceptor/sync/owner_reports.h"
#include "interceptor/sync/pod_lookup.h"
#include "interceptor/sync/pod_namespaces.h"
#include "interceptor/sync/running_pod_finder.h"

namespace fsm {

// How thorough a pass over the attachments is: `settings` looks whether namespaces live and what
// the pod source says; `everything` also enters the namespaces and verifies the data path.
enum class ReconcileDepth : std::uint8_t { settings, everything };

// Threads: every function may be called from any thread, but for tell_containers() and a pass over
// `everything`, which come one at a time.
class AttachmentPasses {
  public:
    // What they work with. Everything referred to must outlive them.
    struct Parts {
        AttachmentLifeCycle& attachments;
        const PodNamespaces& namespaces;
        const MeshRules& rules;
        const PodSource& source;
        const PodLookup& lookup;
        Maintenance& maintenance;
        RunningPodFinder& finder;
        LeftBehind& left_behind;
        ContainerCgroups& containers;
        OwnerReports& owners;
        Conditions& conditions;
    };

    explicit AttachmentPasses(const Parts& parts) : parts_(parts) {}

    void reconcile(ReconcileDepth depth);
    // After a change of one pod in the source.
    void reconcile_pod(const PodName& name);
    // Puts back what was taken from the node as a whole, and enrols again the pods whose sidecar
    // asks for it. To be called every second.
    void look_after_node();
    // After the passes above: which containers are not sidecars.
    void tell_containers();

    // A pass that is under way ends early.
    void interrupt() { interrupted_ = true; }

  private:
    void report_events();
    void reconcile_one(const AttachmentKey& key, ReconcileDepth depth);
    // With the container's lock held.
    void end_dead(const AttachmentState& state);
    // Takes over the pod's own name and uid, on disk too.
    void remember_name(AttachmentState& state, const Pod& pod);
    void follow_source(AttachmentState& state, const Pod& pod, ReconcileDepth depth);
    void note_containers(const AttachmentState& state, const Pod& pod, const Decision& decision);
    void reapply(AttachmentState& state, const Pod& pod, const Decision& decision);

    const Parts parts_;
    std::atomic<bool> interrupted_ = false;
};

}  // namespace fsm
