// Enroller: keeps what the data path holds for the pods of this node (actual) in step with what the
// container runtime has attached and what the pod source says (desired). This class puts its parts
// together, each in a file of its own, and says in which order they start:
//
//   CniVerbs            what the runtime asks for, with CniAdd and AttachmentRemoval
//   AttachmentPasses    what is done again and again, and when a pod changes
//   RunningPodFinder    pods that run without an attachment
//   LeftBehind          what an earlier process has left
//   AttachmentLifeCycle what all of them change: the table, the disk, the locks
//
// Threads: every function may be called from any thread, but where a part says otherwise.
// Operations on one container are serialised; those on different containers run at the same time.
// No network namespace is held open between calls. (A Handover, behind Datapath, holds a pod's for
// the seconds of its overlap.)
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "interceptor/health/conditions.h"
#include "interceptor/interception/datapath.h"
#include "interceptor/pod/mesh_profile.h"
#include "interceptor/pod/pod_notifier.h"
#include "interceptor/pod/pod_source.h"
#include "interceptor/sync/attachment_passes.h"
#include "interceptor/sync/cni_verbs.h"
#include "interceptor/sync/host_paths.h"

namespace fsm {

struct EnrollerOptions {
    std::string state_directory = "/var/run/fsm";
    std::chrono::milliseconds pod_lookup_timeout{5000};
    UnknownPods unknown_pods = UnknownPods::pass;
    HostPaths host_paths;
    // Of cgroup2, where containers are looked for; empty: the sidecar is known by its ids alone.
    std::string cgroup;
    NodeDefaults defaults;

    bool operator==(const EnrollerOptions&) const = default;
};

class Enroller {
  public:
    // Makes the state directory. Source, data path and conditions must outlive the enroller; what
    // is wrong and belongs to no living pod goes into the conditions.
    static Result<std::unique_ptr<Enroller>> open(const EnrollerOptions& options,
                                                  MeshProfile profile, const PodSource& source,
                                                  Datapath& datapath, Conditions& conditions);

    // Refusals and problems of pods are told there, too. Before anything else, or not at all; the
    // notifier must outlive the enroller.
    void tell_owners(PodNotifier& notifier) { owners_.notify(notifier); }
    // The same for what is known of the runtime's chain: told of every ADD and of pods without one.
    void tell_chain_use(ChainUse& use);

    // Takes over what an earlier process left: attachments on disk, deletion notes. Once, before
    // anything else.
    Result<void> restore();

    CniOutcome create(const cni::Request& request) { return verbs_.create(request); }
    CniOutcome remove(const cni::Request& request) { return verbs_.remove(request); }
    CniOutcome check(const cni::Request& request) { return verbs_.check(request); }
    CniOutcome collect_garbage(std::string_view network_config) {
        return verbs_.collect_garbage(network_config);
    }
    CniOutcome status() const { return verbs_.status(); }

    void look_after_node() { passes_.look_after_node(); }
    void reconcile(ReconcileDepth depth) { passes_.reconcile(depth); }
    void reconcile_pod(const PodName& name) { passes_.reconcile_pod(name); }
    void tell_containers() { passes_.tell_containers(); }
    void consume_deletion_notes() { removal_.consume_deletion_notes(); }
    void enrol_running() { finder_.enrol_running(); }

    // For a clean stop: waits for pods and passes end now, with what they have.
    void interrupt();

    std::vector<AttachmentState> attachments() const { return attachments_.table().all(); }

  private:
    Enroller(const EnrollerOptions& options, MeshProfile profile, const PodSource& source,
             Datapath& datapath, Conditions& conditions, AttachmentStore store, DeletionNotes notes,
             PodNamespaces namespaces);

    // In the order in which they need each other.
    const PodNamespaces namespaces_;
    const MeshRules rules_;
    PodLookup lookup_;
    OwnerReports owners_;
    AttachmentLifeCycle attachments_;
    ContainerCgroups containers_;
    CniAdd add_;
    AttachmentRemoval removal_;
    CniVerbs verbs_;
    RunningPodFinder finder_;
    LeftBehind left_behind_;
    AttachmentPasses passes_;
};

}  // namespace fsm
