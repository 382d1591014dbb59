// AttachmentPasses: reconciles every attachment: the pod source has the desired state, the data
// path the actual one. It runs periodically, when a pod changes, and when a pod's sidecar does
// something to which its interception must react.
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

// The depth of a pass: `settings` checks whether namespaces exist, and the pod source; `everything`
// also enters the namespaces and verifies the data path.
enum class ReconcileDepth : std::uint8_t { settings, everything };

// Threads: every function may be called from any thread, except update_containers() and a pass over
// `everything`, of which only one may run at a time.
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
    // Restores node-wide attachments, and enrols pods again whose sidecar requires it. To be called
    // every second.
    void check_node();
    // After the passes above: updates which containers are not sidecars.
    void update_containers();

    // Ends a running pass early.
    void interrupt() { interrupted_ = true; }

  private:
    void report_events();
    void reconcile_one(const AttachmentKey& key, ReconcileDepth depth);
    // With the container's lock held.
    void end_dead(const AttachmentState& state);
    // Stores the pod's name and uid as the source has them, also on disk.
    void remember_name(AttachmentState& state, const Pod& pod);
    void follow_source(AttachmentState& state, const Pod& pod, ReconcileDepth depth);
    void note_containers(const AttachmentState& state, const Pod& pod, const Decision& decision);
    void reapply(AttachmentState& state, const Pod& pod, const Decision& decision);

    const Parts parts_;
    std::atomic<bool> interrupted_ = false;
};

}  // namespace fsm
