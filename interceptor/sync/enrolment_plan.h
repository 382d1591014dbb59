// Converts a decision about a pod and the state of its network namespace into an enrolment for the
// data path.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/interception/enrolment.h"
#include "interceptor/pod/mesh_profile.h"
#include "interceptor/sync/netns_view.h"

namespace fsm {

struct EnrolmentPlan {
    PodEnrolment enrolment;
    std::vector<PodProblem> problems;
    std::vector<std::string> notes;
    // Something is still unknown (the ids of a user namespace): plan again soon.
    bool provisional = false;
};

// `given`: the addresses that the cluster has assigned to the pod; the namespace's other addresses
// are the pod's own. `proc`: the host's processes. A namespace without an address cannot be
// intercepted and is an error.
Result<EnrolmentPlan> plan_enrolment(const InMesh& decided, const Netns& netns,
                                     const NetnsView& view, const std::set<IpAddress>& given,
                                     const std::string& proc);

// The addresses of the CNI result that the namespace does not have, as problems.
std::vector<PodProblem> missing_addresses(const std::vector<IpAddress>& promised,
                                          const NetnsView& view);

}  // namespace fsm
