// Enroller: reconciles the data path's state for the pods of this node with the attachments of the
// container runtime and the pod source. This class connects its parts, each in its own file, and
// defines the order of their start:
//
//   CniVerbs            the runtime's requests, with CniAdd and AttachmentRemoval
//   AttachmentPasses    reconciling, periodically and when a pod changes
//   RunningPodFinder    pods that run without an attachment
//   LeftBehind          the state of an earlier process
//   AttachmentLifeCycle their shared state: the table, the disk, the locks
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
    // A cgroup2 directory in which containers are searched; empty: the sidecar is identified only
    // by its ids.
    std::string cgroup;
    NodeDefaults defaults;

    bool operator==(const EnrollerOptions&) const = default;
};

class Enroller {
  public:
    // Creates the state directory. Source, data path and conditions must outlive the enroller;
    // problems that belong to no living pod become conditions.
    static Result<std::unique_ptr<Enroller>> open(const EnrollerOptions& options,
                                                  MeshProfile profile, const PodSource& source,
                                                  Datapath& datapath, Conditions& conditions);

    // Receives refusals and problems of pods. Set before anything else; the notifier must outlive
    // the enroller.
    void set_notifier(PodNotifier& notifier) { owners_.notify(notifier); }
    // Receives every ADD, and pods without one. Set before anything else.
    void set_chain_use(ChainUse& use);

    // Takes over the state of an earlier process: attachments on disk, deletion notes. Call it
    // once, before anything else.
    Result<void> restore();

    CniOutcome create(const cni::Request& request) { return verbs_.create(request); }
    CniOutcome remove(const cni::Request& request) { return verbs_.remove(request); }
    CniOutcome check(const cni::Request& request) { return verbs_.check(request); }
    CniOutcome collect_garbage(std::string_view network_config) {
        return verbs_.collect_garbage(network_config);
    }
    CniOutcome status() const { return verbs_.status(); }

    void check_node() { passes_.check_node(); }
    void reconcile(ReconcileDepth depth) { passes_.reconcile(depth); }
    void reconcile_pod(const PodName& name) { passes_.reconcile_pod(name); }
    void update_containers() { passes_.update_containers(); }
    void consume_deletion_notes() { removal_.consume_deletion_notes(); }
    void enrol_running() { finder_.enrol_running(); }

    // For a clean stop: ends waits for pods and passes now.
    void interrupt();

    std::vector<AttachmentState> attachments() const { return attachments_.table().all(); }
    const EnrolmentTimes& enrolment_times() const { return times_; }

  private:
    Enroller(const EnrollerOptions& options, MeshProfile profile, const PodSource& source,
             Datapath& datapath, Conditions& conditions, AttachmentStore store, DeletionNotes notes,
             PodNamespaces namespaces);

    // In the order of their dependencies.
    const PodNamespaces namespaces_;
    const MeshRules rules_;
    PodLookup lookup_;
    OwnerReports owners_;
    EnrolmentTimes times_;
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
