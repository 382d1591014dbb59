// InboundAttachment: the inbound mechanism of each pod. Attaches the pod's own programs to its
// network namespace (sk_lookup) or to its interfaces (tc), keeps the descriptors of the sk_lookup
// links, and restores what other programs remove.
//
// Threads: calls for one pod must not overlap; those for different pods may.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/interception.h"
#include "common/netns.h"
#include "common/result.h"
#include "interceptor/datapath/bpf_link.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/pod_program.h"
#include "interceptor/datapath/undo_log.h"
#include "interceptor/interception/enrolment.h"

namespace fsm {

class InboundAttachment {
  public:
    using Cookie = std::uint64_t;

    // `programs`: the templates of per-pod programs that the kernel supports. `tc_handle`: the
    // handle of this instance's filters.
    InboundAttachment(PinTree tree, std::map<std::string, PodProgram> programs,
                      std::uint32_t tc_handle)
        : tree_(std::move(tree)), programs_(std::move(programs)), tc_handle_(tc_handle) {}

    // Replaces the programs of an earlier process's links and filters by this process's. `proc`:
    // where the node's namespaces are found.
    Result<void> take_over(const std::string& proc);

    // Attaches one mechanism. The other one stays until detach_other().
    Result<void> attach(const Netns& netns, const PodEnrolment& enrolment,
                        InboundMechanism mechanism, UndoLog& undo);
    Result<void> detach_other(const Netns& netns, Cookie pod, InboundMechanism kept);
    // Detaches both. Filters are removed with their namespace: `netns` is null if it no longer
    // exists.
    Result<void> detach(const Netns* netns, Cookie pod);

    // Whether everything that attach() made is in place; the error names the difference.
    Result<void> check(const Netns& netns, const PodEnrolment& enrolment,
                       InboundMechanism mechanism) const;
    // Restores missing pins of pods' links. Returns what was restored.
    std::vector<std::string> verify_pins();

    // Whether filters are attached for connections that began before the pod changed to sk_lookup.
    bool has_filters(Cookie pod) const;

    // Whether the pod's link shows that its namespace has ended. A pod without a link may still be
    // dead.
    enum class Life : std::uint8_t { alive, dead, unknown };
    Life life_of(Cookie pod) const;

  private:
    struct PodLink {
        BpfLink link;
        std::uint32_t program;  // the id of the program that it must have
    };

    Result<void> take_over_link(Cookie pod);
    Result<void> take_over_filters(const Netns& netns, Cookie pod) const;
    Result<void> attach_lookup(const Netns& netns, Cookie pod, UndoLog& undo);
    Result<void> make_link(const Netns& netns, Cookie pod, UndoLog& undo);
    Result<void> attach_filters(const Netns& netns, const PodEnrolment& enrolment, UndoLog& undo);
    Result<void> detach_lookup(Cookie pod);
    Result<void> detach_filters(const Netns& netns, Cookie pod);
    void note_filters(Cookie pod);
    Result<void> check_lookup(const Netns& netns, Cookie pod) const;
    Result<void> check_filters(const Netns& netns, const PodEnrolment& enrolment) const;

    const PinTree tree_;
    const std::map<std::string, PodProgram> programs_;
    const std::uint32_t tc_handle_;
    mutable std::mutex mutex_;  // protects the following members
    mutable std::map<Cookie, PodLink> links_;
    std::set<Cookie> with_filters_;
};

}  // namespace fsm
