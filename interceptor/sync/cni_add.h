// CniAdd: the container runtime adds an attachment: from the request to a pod that is intercepted,
// that passes, or that is not started.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/cni/network.h"
#include "common/cni/request.h"
#include "common/netns.h"
#include "interceptor/health/conditions.h"
#include "interceptor/pod/pod_source.h"
#include "interceptor/sync/attachment_life_cycle.h"
#include "interceptor/sync/chain_use.h"
#include "interceptor/sync/cni_error.h"
#include "interceptor/sync/enrolment_times.h"
#include "interceptor/sync/mesh_rules.h"
#include "interceptor/sync/netns_view.h"
#include "interceptor/sync/owner_reports.h"
#include "interceptor/sync/pod_lookup.h"
#include "interceptor/sync/pod_namespaces.h"

namespace fsm {

// What ADD does with a container that the pod source certainly does not have.
enum class UnknownPods : std::uint8_t { refuse, pass };

struct PodLookupRules {
    std::chrono::milliseconds timeout{5000};
    UnknownPods unknown_pods = UnknownPods::pass;
};

// Threads: every function may be called from any thread.
class CniAdd {
  public:
    // The parts that an ADD uses; they must outlive it.
    struct Parts {
        AttachmentLifeCycle& attachments;
        const PodNamespaces& namespaces;
        const MeshRules& rules;
        const PodSource& source;
        const PodLookup& lookup;
        const OwnerReports& owners;
        Conditions& conditions;
        EnrolmentTimes& times;
    };

    CniAdd(const Parts& parts, PodLookupRules lookup_rules)
        : parts_(parts), lookup_rules_(lookup_rules) {}

    // Called for every ADD of a pod that the source knows. Set before anything else.
    void set_chain_use(ChainUse& use) { chain_use_ = &use; }

    CniOutcome add(const cni::Request& request);

  private:
    // A request after its validation.
    struct Candidate {
        AttachmentKey key;
        std::string netns_path;  // the path that the interceptor opens
        cni::Network config;
        cni::PodReference reference;
        Netns netns;
        NetnsView view;
    };

    // With the container's lock held, in this order.
    CniOutcome add_locked(Candidate& candidate);
    CniOutcome end_former(const Candidate& candidate,
                          std::optional<AttachmentState>& previous) const;
    CniOutcome look_up(const Candidate& candidate, FoundPod& found) const;
    AttachmentState state_of(const Candidate& candidate, const FoundPod& found) const;
    CniOutcome settle(AttachmentState& state, const FoundPod& found, const Candidate& candidate);
    void replace_found_running(const Attachment& attached);

    const Parts parts_;
    const PodLookupRules lookup_rules_;
    ChainUse* chain_use_ = nullptr;
};

}  // namespace fsm
