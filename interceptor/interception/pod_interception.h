// PodInterception: enrols and withdraws pods.
//
// Threads: every function may be called from any thread. Changes of one pod are serialised
// internally; different pods do not wait for each other.
#pragma once

#include <cstdint>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/interception/enrolment.h"

namespace fsm {

class PodInterception {
  public:
    virtual ~PodInterception() = default;

    // Enrols the namespace, or changes its policy: new connections see either the old rules or the
    // new ones, never a mixture that lets traffic bypass the sidecar. Existing listeners of the
    // sidecar are taken over.
    //
    // An error always means that the namespace is unchanged. A pod with its new rules is enrolled,
    // even if some of its former ones could not be removed: check() names these, and another
    // enrol() or sweep() removes them.
    virtual Result<EnrolledPod> enrol(const Netns& netns, const PodEnrolment& enrolment) = 0;

    // Withdraws a pod, whether or not its namespace still exists; `netns` is null if it does not.
    // Succeeds for a pod that is not enrolled.
    virtual Result<void> withdraw(std::uint64_t netns_cookie, const Netns* netns) = 0;

    // The same without regard to open connections: those that depend on the pod's interception are
    // reset, so that neither end waits for the other.
    virtual Result<void> withdraw_and_cut(std::uint64_t netns_cookie, const Netns& netns) {
        return withdraw(netns_cookie, &netns);
    }

    // Compares the kernel's state of the pod with what enrol() made, entry by entry; the error
    // names what is missing or was changed. Otherwise returns the pod as it is now.
    virtual Result<EnrolledPod> check(const Netns& netns, std::uint64_t netns_cookie) const = 0;
};

}  // namespace fsm
