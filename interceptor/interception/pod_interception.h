// PodInterception: puts pods under interception, and takes them out of it.
//
// Threads: every function may be called from any thread. Changes of one pod are serialised inside;
// different pods do not wait for each other.
#pragma once

#include <cstdint>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/interception/enrolment.h"

namespace fsm {

class PodInterception {
  public:
    virtual ~PodInterception() = default;

    // Enrols the namespace, or changes its policy: new connections see the old rules or the new
    // ones, never a mixture that lets traffic around the sidecar. Listeners of the sidecar that
    // already listen are taken over.
    //
    // An error has one meaning: the namespace is as it was before. A pod that has its new rules is
    // enrolled, even when something of its former ones could not be removed: check() names what is
    // left, and enrolling again, or a sweep(), removes it.
    virtual Result<EnrolledPod> enrol(const Netns& netns, const PodEnrolment& enrolment) = 0;

    // Forgets a pod, whether or not its namespace still exists; `netns` is null when it does not.
    // Withdrawing a pod that is not enrolled succeeds.
    virtual Result<void> withdraw(std::uint64_t netns_cookie, const Netns* netns) = 0;

    // The same, and nothing is kept for the connections that are open: those that depend on it are
    // reset, so that neither end waits for the other.
    virtual Result<void> withdraw_and_cut(std::uint64_t netns_cookie, const Netns& netns) {
        return withdraw(netns_cookie, &netns);
    }

    // Compares what the kernel holds for the pod with what enrol() made, entry by entry; the error
    // names what is missing or was changed. Else the pod as it is now.
    virtual Result<EnrolledPod> check(const Netns& netns, std::uint64_t netns_cookie) const = 0;
};

}  // namespace fsm
