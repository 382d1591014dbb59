// AttachmentTable: the in-memory state of every attachment, in addition to what is on disk.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "interceptor/interception/enrolment.h"
#include "interceptor/pod/mesh_profile.h"
#include "interceptor/sync/attachment_store.h"

namespace fsm {

// `refused`: of the mesh, but it runs without interception, because it cannot be intercepted
// rightly. `sidecarless`: of the mesh, which does without interception.
enum class Membership : std::uint8_t { unknown, not_in_mesh, in_mesh, refused, sidecarless };

inline constexpr std::array kMemberships = {Membership::unknown, Membership::not_in_mesh,
                                            Membership::in_mesh, Membership::refused,
                                            Membership::sidecarless};

constexpr std::string_view to_string(Membership membership) {
    switch (membership) {
        case Membership::unknown:
            return "unknown";
        case Membership::not_in_mesh:
            return "not-in-mesh";
        case Membership::in_mesh:
            return "in-mesh";
        case Membership::refused:
            return "refused";
        case Membership::sidecarless:
            return "in-mesh-without-sidecar";
    }
    return "?";
}

struct AttachmentState {
    Attachment attachment;
    Membership membership = Membership::unknown;
    std::string reason;                   // why it is not intercepted, or not known
    std::optional<InMesh> decided;        // the decision behind `applied`
    std::optional<PodEnrolment> applied;  // absent: not enrolled by this process
    std::optional<EnrolledPod> enrolled;  // the data path's result
    std::vector<PodProblem> problems;     // of the pod's settings and its namespace
    std::vector<std::string> notes;       // for the owner; not problems
    std::string failure;                  // of the last attempt to enrol or withdraw
    bool plan_again = false;              // addresses or ids may have changed
    // The addresses that the cluster has assigned to the pod, from the CNI result and the pod's
    // status. Empty: unknown since the interceptor's start.
    std::set<IpAddress> given;
};

// Threads: every function may be called from any thread. The state of an attachment is changed only
// with its container's lock held, so find(), change, put() loses nothing.
class AttachmentTable {
  public:
    std::optional<AttachmentState> find(const AttachmentKey& key) const;
    void put(const AttachmentState& state);
    void erase(const AttachmentKey& key);
    // Marks every attachment of the namespace for a new plan.
    void plan_again(std::uint64_t netns_cookie);

    std::vector<AttachmentKey> keys() const;
    // Visits everything: not for use in each request.
    std::vector<AttachmentKey> keys_where(
        const std::function<bool(const AttachmentState&)>& fits) const;
    // The attachments of one network namespace; the time does not depend on the number of others.
    std::vector<AttachmentKey> keys_in(std::uint64_t netns_cookie) const;
    // The addresses that the cluster has assigned to the attachments of one network namespace.
    std::set<IpAddress> given_in(std::uint64_t netns_cookie) const;
    // The pod of one network namespace; nothing if it has no attachment.
    std::optional<PodName> pod_in(std::uint64_t netns_cookie) const;
    // Whether another attachment of the network namespace than `key` matches.
    bool has_other_in(std::uint64_t netns_cookie, const AttachmentKey& key,
                      const std::function<bool(const AttachmentState&)>& fits) const;
    // On any network.
    std::vector<AttachmentKey> keys_of(const cni::Interface& interface) const;
    // Those of the pod, and those whose pod was unknown.
    std::vector<AttachmentKey> candidate_keys(const PodName& pod) const;
    // A copy of everything: for views, not for use in each request.
    std::vector<AttachmentState> all() const;
    // Calls `visit` with the table locked; it must not use the table.
    void for_each(const std::function<void(const AttachmentState&)>& visit) const;
    // The interface whose addresses count as the pod's own: the first one by name ("eth0" before
    // "net1"), so that it is the same after a restart.
    std::string first_interface(std::uint64_t netns_cookie) const;

  private:
    // With the table locked.
    std::vector<AttachmentKey> find_in(std::uint64_t netns_cookie) const;

    mutable std::mutex mutex_;
    std::map<AttachmentKey, AttachmentState> states_;
    // An index of `states_` by network namespace.
    std::set<std::pair<std::uint64_t, AttachmentKey>> by_netns_;
};

}  // namespace fsm
