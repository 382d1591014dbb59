// EnrolmentKeeper: applies the decision about one pod to the data path, and reverts it.
//
// Two attachments can share a network namespace (two interfaces of a container), while the data
// path knows namespaces: a namespace is enrolled with its first attachment and withdrawn with its
// last.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "common/keyed_mutex.h"
#include "common/netns.h"
#include "common/result.h"
#include "interceptor/interception/pod_interception.h"
#include "interceptor/pod/mesh_profile.h"
#include "interceptor/sync/attachment_table.h"
#include "interceptor/sync/netns_view.h"

namespace fsm {

// Threads: as Enroller. Data path and table must outlive the keeper. The state that is passed in
// must already be in the table: the keeper of a namespace's last attachment checks that.
class EnrolmentKeeper {
  public:
    // The problem of a pod that runs although it is refused.
    static PodProblem refusal_problem(const Refused& refused) {
        return {PodProblem::Kind::refusal,
                "it is in the mesh, but runs without interception: " + refused.reason};
    }

    // `proc`: where the host's processes are found.
    EnrolmentKeeper(PodInterception& datapath, AttachmentTable& table, std::string proc)
        : datapath_(datapath), table_(table), proc_(std::move(proc)) {}

    // Makes the data path match `decision`, and writes the result into `state`. Does nothing for
    // what is unchanged and in place.
    Result<void> apply(AttachmentState& state, const Decision& decision, const Netns& netns,
                       const NetnsView& view);

    // For a container outside the mesh: no interception.
    Result<void> keep_outside_mesh(AttachmentState& state, const Netns& netns,
                                   const NetnsView& view);

    // Ends the attachment. `netns` is null if its namespace no longer exists.
    Result<void> detach(const AttachmentState& state, const Netns* netns);

  private:
    Result<void> refuse(AttachmentState& state, const Refused& refused, const Netns& netns,
                        const NetnsView& view);
    Result<void> enrol(AttachmentState& state, const InMesh& decided, const Netns& netns,
                       const NetnsView& view);

    std::set<IpAddress> given_to(const AttachmentState& state) const;
    void name_conflicts(AttachmentState& state) const;

    PodInterception& datapath_;
    AttachmentTable& table_;
    const std::string proc_;
    KeyedMutex<std::uint64_t> netns_locks_;  // by cookie
};

}  // namespace fsm
