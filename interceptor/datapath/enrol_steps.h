// EnrolSteps: enrols one pod in the data path, as a list of steps with their undo.
//
// The order ensures that a connection sees either the old rules or the new ones: what the pod's
// entry refers to is written before the entry, and what the old entry referred to is removed after
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/datapath/pod_parts.h"
#include "interceptor/datapath/undo_log.h"

namespace fsm {

// For one use, with the pod's lock held.
class EnrolSteps {
  public:
    // Everything that is passed by reference must outlive this object.
    EnrolSteps(const PodParts& parts, const Netns& netns, const PodEnrolment& enrolment)
        : parts_(parts), netns_(netns), enrolment_(enrolment), pod_(enrolment.netns_cookie) {}

    // Switches to the new entry. On failure everything is as before.
    Result<struct fsm_pod> run();

  private:
    using Step = Result<void> (EnrolSteps::*)();

    Result<void> run_steps();
    Result<void> read_former_state();
    Result<void> write_lists();
    Result<void> enter_listeners();
    Result<void> choose_mechanism();
    Result<void> attach_mechanism();
    Result<void> add_addresses();
    Result<void> add_usage();
    Result<void> switch_over();
    Result<void> enter_newer_listeners();
    // The pod is enrolled: nothing after this is undone.
    void remember();
    Result<void> remove_superseded();
    Result<void> retire_mechanism();

    Acceleration decide_acceleration() const;
    struct fsm_pod entry() const {
        return pod_entry(enrolment_, record_.decision);
    }

    const PodParts& parts_;
    const Netns& netns_;
    const PodEnrolment& enrolment_;
    const std::uint64_t pod_;
    UndoLog undo_;

    // The pod's previous state.
    std::optional<struct fsm_pod> former_;
    std::optional<PodRecord> known_;
    std::uint32_t seen_before_ = 0;

    std::vector<ListeningSocket> sockets_;
    Result<void> listeners_entered_;
    PodRecord record_;
};

}  // namespace fsm
