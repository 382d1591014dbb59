// RunningPodFinder: finds running pods without an attachment and enrols them: they ran before the
// interceptor, were started while it did not run or the chain had no entry, or have just joined the
// mesh.
#pragma once

#include <atomic>
#include <map>
#include <string>

#include "common/failures.h"
#include "interceptor/health/conditions.h"
#include "interceptor/pod/pod_source.h"
#include "interceptor/sync/attachment_life_cycle.h"
#include "interceptor/sync/chain_use.h"
#include "interceptor/sync/enrolment_times.h"
#include "interceptor/sync/mesh_rules.h"
#include "interceptor/sync/owner_reports.h"
#include "interceptor/sync/pod_namespaces.h"
#include "interceptor/sync/search_pace.h"

namespace fsm {

// Threads: enrol_running() from one thread at a time; the others from any.
class RunningPodFinder {
  public:
    // The parts that it uses; they must outlive it.
    struct Parts {
        AttachmentLifeCycle& attachments;
        const PodNamespaces& namespaces;
        const MeshRules& rules;
        const PodSource& source;
        const OwnerReports& owners;
        Conditions& conditions;
        EnrolmentTimes& times;
    };

    explicit RunningPodFinder(const Parts& parts) : parts_(parts) {}

    // Called for pods without an ADD. Set before anything else.
    void set_chain_use(ChainUse& use) { chain_use_ = &use; }

    // Enrols the source's pods that run on this node without an attachment. Cheap if there is none;
    // otherwise it limits its own rate.
    void enrol_running();
    // The process by which the attachment's namespace was found may end before the pod does: finds
    // another path to it. With the container's lock held.
    bool find_again(AttachmentState& state);

    // Ends a running search early.
    void interrupt() { interrupted_ = true; }

  private:
    // By the uid that the kubelet uses in cgroup paths.
    std::map<std::string, Pod> pods_without_attachment() const;
    // Fails only when the pod cannot be remembered.
    Result<void> enrol_found(const Pod& pod, const RunningPod& place);
    void report_search(const Failures& failures);

    const Parts parts_;
    SearchPace pace_;
    ChainUse* chain_use_ = nullptr;
    std::atomic<bool> interrupted_ = false;
};

}  // namespace fsm
