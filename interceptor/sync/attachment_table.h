// AttachmentTable: what is known of every attachment beside what is on disk.
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
    std::optional<InMesh> decided;        // what `applied` was made from
    std::optional<PodEnrolment> applied;  // absent: not enrolled by this process
    std::optional<EnrolledPod> enrolled;  // what the data path made of it
    std::vector<PodProblem> problems;     // of the pod's settings and its namespace
    std::vector<std::string> notes;       // what may surprise, though nothing is wrong
    std::string failure;                  // of the last attempt to enrol or withdraw
    bool plan_again = false;              // addresses or ids may have changed
    // What the cluster has given to the pod, by the CNI result and the pod's status. Empty: not
    // known since the interceptor's start.
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
    // Looks at everything: not for what is done at each request.
    std::vector<AttachmentKey> keys_where(
        const std::function<bool(const AttachmentState&)>& fits) const;
    // Those of one network namespace. However many others there are, it takes the same time.
    std::vector<AttachmentKey> keys_in(std::uint64_t netns_cookie) const;
    // The addresses that the cluster has given to the attachments of one network namespace.
    std::set<IpAddress> given_in(std::uint64_t netns_cookie) const;
    // The pod of one network namespace; nothing when no attachment is there.
    std::optional<PodName> pod_in(std::uint64_t netns_cookie) const;
    // Of one network namespace, whether another attachment than `key` fits.
    bool has_other_in(std::uint64_t netns_cookie, const AttachmentKey& key,
                      const std::function<bool(const AttachmentState&)>& fits) const;
    // Of whatever networks.
    std::vector<AttachmentKey> keys_of(const cni::Interface& interface) const;
    // Those of the pod, and those whose pod was not known.
    std::vector<AttachmentKey> keys_that_may_be(const PodName& pod) const;
    // A copy of everything: for views, and not for what is done at each request.
    std::vector<AttachmentState> all() const;
    // Calls with the table locked: `visit` does not use it.
    void for_each(const std::function<void(const AttachmentState&)>& visit) const;
    // The interface whose addresses the namespace's pod calls its own: the one whose name sorts
    // first ("eth0" before "net1"), the same after a restart.
    std::string first_interface(std::uint64_t netns_cookie) const;

  private:
    // With the table locked.
    std::vector<AttachmentKey> find_in(std::uint64_t netns_cookie) const;

    mutable std::mutex mutex_;
    std::map<AttachmentKey, AttachmentState> states_;
    // The keys of `states_` once more, by their network namespace.
    std::set<std::pair<std::uint64_t, AttachmentKey>> by_netns_;
};

}  // namespace fsm
