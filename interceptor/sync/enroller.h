// Enroller: keeps what the data path holds for the pods of this node (actual) in step with what the
// container runtime has attached and what the pod source says (desired).
//
// Every attachment is remembered on disk, those of pods outside the mesh too, so that a pod that
// enters the mesh later is found. Which failure stops a pod and which does not:
// docs/failure-policy.md.
//
// Threads: every function may be called from any thread. Operations on one container are
// serialised; those on different containers run at the same time. It holds no network namespace
// open between calls. (A Handover, behind Datapath, holds a pod's for the seconds of its overlap.)
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/cni/network.h"
#include "common/cni/request.h"
#include "common/failures.h"
#include "common/keyed_mutex.h"
#include "common/netns.h"
#include "interceptor/datapath/datapath.h"
#include "interceptor/health/conditions.h"
#include "interceptor/pod/mesh_profile.h"
#include "interceptor/pod/pod_notifier.h"
#include "interceptor/pod/pod_source.h"
#include "interceptor/sync/attachment_store.h"
#include "interceptor/sync/attachment_table.h"
#include "interceptor/sync/chain_use.h"
#include "interceptor/sync/cni_error.h"
#include "interceptor/sync/container_cgroups.h"
#include "interceptor/sync/deletion_notes.h"
#include "interceptor/sync/enrolment_keeper.h"
#include "interceptor/sync/enrolment_plan.h"
#include "interceptor/sync/host_paths.h"
#include "interceptor/sync/pod_lookup.h"
#include "interceptor/sync/running_pods.h"
#include "interceptor/sync/search_pace.h"

namespace fsm {

// What ADD answers for a container that the pod source is certain not to know.
enum class UnknownPods : std::uint8_t { refuse, pass };

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

// How thorough a pass over the attachments is: `settings` looks whether namespaces live and what
// the pod source says; `everything` also enters the namespaces and verifies the data path.
enum class ReconcileDepth : std::uint8_t { settings, everything };

class Enroller {
  public:
    // Makes the state directory. Source, data path and conditions must outlive the enroller; what
    // is wrong and belongs to no living pod goes into the conditions.
    static Result<std::unique_ptr<Enroller>> open(EnrollerOptions options, MeshProfile profile,
                                                  const PodSource& source, Datapath& datapath,
                                                  Conditions& conditions);

    // Refusals and problems of pods are told there, too. Before anything else, or not at all; the
    // notifier must outlive the enroller.
    void tell_owners(PodNotifier& notifier) { notifier_ = &notifier; }
    // The same for what is known of the runtime's chain: told of every ADD and of pods without one.
    void tell_chain_use(ChainUse& use) { chain_use_ = &use; }

    // Takes over what an earlier process left: attachments on disk, deletion notes. Once, before
    // anything else.
    Result<void> restore();

    CniOutcome create(const cni::Request& request);
    // A pod leaves the mesh with its last attachment.
    CniOutcome remove(const cni::Request& request);
    CniOutcome check(const cni::Request& request);
    // Removes the attachments of the configuration's network that its list of valid ones leaves
    // out.
    CniOutcome collect_garbage(std::string_view network_config);
    // Whether ADD can be served (50), and whether pods lack the interception they should have (51).
    CniOutcome status() const;

    // For a clean stop: waits for pods and passes end now, with what they have.
    void interrupt();

    // Puts back what was taken from the node as a whole, and enrols again the pods whose sidecar
    // asks for it. To be called every second.
    void look_after_node();
    void reconcile(ReconcileDepth depth);
    // After a change of one pod in the source.
    void reconcile_pod(const PodName& name);
    void consume_deletion_notes();
    // Enrols the source's pods that run on this node without an attachment. Cheap when there is
    // none; otherwise it paces itself. From one thread at a time.
    void enrol_running();
    // After the passes above: which containers are not sidecars.
    void tell_containers();

    std::vector<AttachmentState> attachments() const { return table_.all(); }

  private:
    // A request to create, after its checks.
    struct Candidate {
        AttachmentKey key;
        std::string netns_path;  // as the interceptor opens it
        cni::Network config;
        cni::PodReference reference;
        Netns netns;
        NetnsView view;
    };

    // What DEL, GC or a deletion note takes away.
    struct Removal {
        AttachmentKey key;
        std::string netns;    // as the runtime names it; may be empty
        std::string pod_uid;  // may be empty
    };
    using Locks = DeletionNotes::Locks;

    Enroller(EnrollerOptions options, MeshProfile profile, const PodSource& source,
             Datapath& datapath, Conditions& conditions, AttachmentStore store, DeletionNotes notes,
             std::string boot_id, std::vector<NetnsIdentity> host_netns);

    Result<Netns> open_pod_netns(const std::string& path) const;
    // The attachment's namespace, if its path still leads to it.
    std::optional<Netns> open_if_same(const Attachment& attachment) const;
    bool is_alive(const Attachment& attachment) const;

    // By the uid that the kubelet uses in cgroup paths.
    std::map<std::string, Pod> pods_without_attachment() const;
    // Fails only when the pod cannot be remembered.
    Result<void> enrol_found(const Pod& pod, const RunningPod& place);
    void report_search(const Failures& failures);
    // The attachment itself; without its network, those of its interface; else those of an unknown
    // network that fit.
    std::vector<AttachmentKey> keys_of(const Removal& removal) const;
    // The lock of the container, and those of the attachments that `concerned` tells of.
    Locks lock_containers(const std::string& container,
                          const std::function<std::vector<AttachmentKey>()>& concerned);
    CniOutcome remove(const Removal& removal);
    // An ADD of a namespace that had been found: one attachment remains, the runtime's.
    void take_over_found(const Attachment& attached);
    // The process by which the namespace was found may end before the pod does.
    bool find_again(AttachmentState& state);

    // The rest is called with the container's lock held.
    CniOutcome create_locked(Candidate& candidate);
    CniOutcome look_up(const Candidate& candidate, FoundPod& found) const;
    CniOutcome settle(AttachmentState& state, const FoundPod& found, const Candidate& candidate);
    CniOutcome undo(const AttachmentState& state, const Netns& netns,
                    const std::optional<AttachmentState>& previous, CniOutcome outcome);
    CniOutcome remove_locked(const Removal& removal);
    CniOutcome remove_state(const AttachmentState& state, const Removal& removal);
    CniOutcome remove_unknown(const Removal& removal);
    CniOutcome check_known(const AttachmentState& state) const;
    CniOutcome check_unknown(const cni::Request& request) const;
    Result<void> forget(const AttachmentState& state, const Netns* netns);
    void adopt(Attachment attachment, const std::vector<EnrolledPod>& held);
    // What a restart has found, and what may have been mended since.
    void look_at_files_set_aside();
    void look_at_unknown_pods();
    // Takes over the pod's own name and uid, on disk too.
    void remember_name(AttachmentState& state, const Pod& pod);
    Result<void> save(const Attachment& attachment);
    void reconcile_one(const AttachmentKey& key, ReconcileDepth depth);
    void follow_source(AttachmentState& state, const Pod& pod, ReconcileDepth depth);
    void note_containers(const AttachmentState& state, const Pod& pod, const Decision& decision);
    void reapply(AttachmentState& state, const Pod& pod, const Decision& decision);
    // Those that were not there before: to the log and to the pod's owner.
    void report_new_problems(const AttachmentState& state,
                             const std::vector<PodProblem>& before) const;
    void report_refusal(const Candidate& candidate, const CniError& error) const;

    const EnrollerOptions options_;
    const MeshProfile profile_;
    const PodSource& source_;
    PodLookup lookup_;
    Datapath& datapath_;
    const AttachmentStore store_;
    const DeletionNotes notes_;
    const std::string boot_id_;
    const std::vector<NetnsIdentity> host_netns_;  // never a pod's
    AttachmentTable table_;
    EnrolmentKeeper keeper_;
    ContainerCgroups containers_;
    KeyedMutex<std::string> container_locks_;
    Conditions& conditions_;
    // Of restore(), then of the thread of the passes alone.
    std::map<std::string, std::string> set_aside_;  // file: why
    std::set<std::uint64_t> unknown_pods_;          // cookies that no attachment names
    SearchPace search_pace_;
    PodNotifier* notifier_ = nullptr;
    ChainUse* chain_use_ = nullptr;
    std::atomic<bool> interrupted_ = false;
};

}  // namespace fsm
