#include "interceptor/datapath/inbound_attachment.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>

#include "common/failures.h"
#include "interceptor/datapath/pod_pins.h"
#include "interceptor/datapath/tc_filters.h"
#include "interceptor/interception/netns_scan.h"

namespace fsm {
namespace {

// The filters of one pod, and their program descriptors.
struct PodFilters {
    Fd ingress;
    Fd egress;
    TcPrograms programs;
};

Result<PodFilters> make_filters(const std::map<std::string, PodProgram>& programs,
                                std::uint64_t pod, std::uint32_t handle) {
    PodFilters filters;
    FSM_ASSIGN(filters.ingress, programs.at("fsm_ingress").make(pod));
    FSM_ASSIGN(filters.egress, programs.at("fsm_egress").make(pod));
    filters.programs = {filters.ingress.get(), filters.egress.get(), handle};
    return filters;
}

Result<std::vector<int>> covered_interfaces(const std::vector<std::string>& names) {
    return names.empty() ? all_interface_indexes() : interface_indexes(names);
}

Result<std::vector<int>> covered_interfaces_in(const Netns& netns,
                                               const std::vector<std::string>& names) {
    Result<std::vector<int>> indexes = std::vector<int>();
    FSM_TRY(netns.run([&] { indexes = covered_interfaces(names); }));
    return indexes;
}

Result<TcInterface> attach_in(const Netns& netns, int interface, const TcPrograms& programs) {
    Result<TcInterface> attached = TcInterface();
    FSM_TRY(netns.run([&] { attached = attach_tc(interface, programs); }));
    return attached;
}

Result<TcAttached> attached_in(const Netns& netns, int interface, std::uint32_t handle) {
    Result<TcAttached> attached = TcAttached();
    FSM_TRY(netns.run([&] { attached = attached_tc(interface, handle); }));
    return attached;
}

}  // namespace

// ---- from an earlier process -------------------------------------------------------------------

Result<void> InboundAttachment::take_over(const std::string& proc) {
    FSM_ASSIGN(const std::vector<Cookie> pods, pinned_pods(tree_));
    std::set<Cookie> with_filters;
    for (const Cookie pod : pods) {
        FSM_TRY(take_over_link(pod));
        FSM_ASSIGN(const PodPins pins, read_pod_pins(tree_, pod));
        if (!pins.interfaces.empty()) {
            with_filters.insert(pod);
            note_filters(pod);
        }
    }
    if (with_filters.empty()) {
        return {};
    }
    Failures failures;
    FSM_TRY(for_each_netns(proc, [&](const Netns& netns) {
        const auto cookie = netns.cookie();
        if (cookie && with_filters.contains(*cookie)) {
            failures.note(take_over_filters(netns, *cookie));
        }
    }));
    return failures.result("replace the programs of tc");
}

Result<void> InboundAttachment::take_over_link(Cookie pod) {
    FSM_ASSIGN(auto link, BpfLink::open_pinned(tree_.pod_lookup_link(pod)));
    if (!link) {
        return {};
    }
    const auto program = programs_.find("fsm_lookup");
    if (link->netns_inode() != 0 && program != programs_.end()) {
        FSM_ASSIGN(const Fd own, program->second.make(pod));
        FSM_TRY(link->update(own.get()));
        FSM_TRY(link->refresh());
    }
    const std::uint32_t held = link->program_id();
    const std::lock_guard guard(mutex_);
    links_.emplace(pod, PodLink{std::move(*link), held});
    return {};
}

Result<void> InboundAttachment::take_over_filters(const Netns& netns, Cookie pod) const {
    FSM_ASSIGN(const PodPins pins, read_pod_pins(tree_, pod));
    if (!programs_.contains("fsm_ingress") || !programs_.contains("fsm_egress")) {
        return {};
    }
    FSM_ASSIGN(const PodFilters filters, make_filters(programs_, pod, tc_handle_));
    Result<void> outcome;
    FSM_TRY(netns.run([&] {
        for (const TcInterface& interface : pins.interfaces) {
            const auto attached = attach_tc(interface.index, filters.programs);
            // The interface may have been removed since; check() reports a pod without any.
            if (!attached && attached.error().errno_value() != ENODEV) {
                outcome = attached.error();
                return;
            }
        }
    }));
    return outcome;
}

// ---- attach ------------------------------------------------------------------------------------

Result<void> InboundAttachment::attach(const Netns& netns, const PodEnrolment& enrolment,
                                       InboundMechanism mechanism, UndoLog& undo) {
    const Cookie pod = enrolment.netns_cookie;
    if (access(tree_.pod(pod).c_str(), F_OK) != 0) {
        undo.add([this, pod] { return remove_tree(tree_.pod(pod)); });
    }
    FSM_TRY(remember_netns(tree_, pod, netns.identity().inode));
    return mechanism == InboundMechanism::tc ? attach_filters(netns, enrolment, undo)
                                             : attach_lookup(netns, pod, undo);
}

Result<void> InboundAttachment::attach_lookup(const Netns& netns, Cookie pod, UndoLog& undo) {
    const std::string path = tree_.pod_lookup_link(pod);
    {
        const std::lock_guard guard(mutex_);
        const auto present = links_.find(pod);
        if (present != links_.end()) {
            const BpfLink& link = present->second.link;
            FSM_TRY(present->second.link.refresh());
            if (link.netns_inode() == netns.identity().inode &&
                link.program_id() == present->second.program) {
                FSM_ASSIGN(const auto pinned, BpfLink::open_pinned(path));
                return pinned ? Result<void>() : pin(link.fd(), path);
            }
        }
    }
    return make_link(netns, pod, undo);
}

// Replaces a detached link, or one with another program than ours.
Result<void> InboundAttachment::make_link(const Netns& netns, Cookie pod, UndoLog& undo) {
    const std::string path = tree_.pod_lookup_link(pod);
    FSM_TRY(detach_lookup(pod));
    FSM_ASSIGN(const Fd program, programs_.at("fsm_lookup").make(pod));
    auto link = BpfLink::attach(program.get(), netns.fd().get(), BPF_SK_LOOKUP);
    if (!link) {
        return std::move(link.error()).within("attach sk_lookup to the pod's network namespace");
    }
    undo.add([this, pod] { return detach_lookup(pod); });
    const std::uint32_t held = link->program_id();
    const std::lock_guard guard(mutex_);
    const auto kept = links_.emplace(pod, PodLink{std::move(*link), held}).first;
    return pin(kept->second.link.fd(), path);
}

Result<void> InboundAttachment::attach_filters(const Netns& netns, const PodEnrolment& enrolment,
                                               UndoLog& undo) {
    const Cookie pod = enrolment.netns_cookie;
    FSM_ASSIGN(const PodFilters filters, make_filters(programs_, pod, tc_handle_));
    FSM_ASSIGN(const PodPins before, read_pod_pins(tree_, pod));
    FSM_ASSIGN(const std::vector<int> indexes, covered_interfaces_in(netns, enrolment.interfaces));
    for (const int index : indexes) {
        FSM_ASSIGN(const TcInterface interface, attach_in(netns, index, filters.programs));
        const bool had = std::any_of(before.interfaces.begin(), before.interfaces.end(),
                                     [&](const TcInterface& one) { return one.index == index; });
        if (!had) {
            undo.add([this, &netns, pod, interface]() -> Result<void> {
                Result<void> detached;
                FSM_TRY(netns.run([&] { detached = detach_tc(interface, tc_handle_); }));
                FSM_TRY(std::move(detached));
                return forget_interface(tree_, pod, interface);
            });
        }
        FSM_TRY(remember_interface(tree_, pod, interface));
        note_filters(pod);
    }
    return {};
}

// ---- detach ------------------------------------------------------------------------------------

Result<void> InboundAttachment::detach_lookup(Cookie pod) {
    std::optional<BpfLink> link;
    {
        const std::lock_guard guard(mutex_);
        auto found = links_.extract(pod);
        if (found) {
            link = std::move(found.mapped().link);
        }
    }
    if (link) {
        FSM_TRY(link->detach());
    }
    FSM_TRY(unpin(tree_.pod_lookup_link(pod)));
    return {};
}

Result<void> InboundAttachment::detach_filters(const Netns& netns, Cookie pod) {
    if (!has_filters(pod)) {
        return {};
    }
    FSM_ASSIGN(const PodPins pins, read_pod_pins(tree_, pod));
    Failures failures;
    for (const TcInterface& interface : pins.interfaces) {
        Result<void> detached;
        const auto entered = netns.run([&] { detached = detach_tc(interface, tc_handle_); });
        failures.note(entered);
        failures.note(detached);
        if (entered && detached) {
            failures.note(forget_interface(tree_, pod, interface));
        }
    }
    if (failures.empty()) {
        const std::lock_guard guard(mutex_);
        with_filters_.erase(pod);
    }
    return failures.result();
}

Result<void> InboundAttachment::detach_other(const Netns& netns, Cookie pod,
                                             InboundMechanism kept) {
    return kept == InboundMechanism::tc ? detach_lookup(pod) : detach_filters(netns, pod);
}

Result<void> InboundAttachment::detach(const Netns* netns, Cookie pod) {
    Failures failures;
    failures.note(detach_lookup(pod));
    if (netns != nullptr) {
        failures.note(detach_filters(*netns, pod));
    } else {
        const std::lock_guard guard(mutex_);
        with_filters_.erase(pod);
    }
    if (failures.empty()) {
        failures.note(remove_tree(tree_.pod(pod)));
    }
    return failures.result();
}

// ---- check -------------------------------------------------------------------------------------

Result<void> InboundAttachment::check(const Netns& netns, const PodEnrolment& enrolment,
                                      InboundMechanism mechanism) const {
    return mechanism == InboundMechanism::tc ? check_filters(netns, enrolment)
                                             : check_lookup(netns, enrolment.netns_cookie);
}

Result<void> InboundAttachment::check_lookup(const Netns& netns, Cookie pod) const {
    const std::lock_guard guard(mutex_);
    const auto found = links_.find(pod);
    if (found == links_.end()) {
        return Error("sk_lookup is not attached to the pod's network namespace");
    }
    BpfLink& link = found->second.link;
    FSM_TRY(link.refresh());
    if (link.program_id() != found->second.program) {
        return Error("the pod's sk_lookup link holds another program");
    }
    if (link.netns_inode() != netns.identity().inode) {
        return Error("sk_lookup is not attached to the pod's network namespace");
    }
    FSM_ASSIGN(const auto pinned, BpfLink::open_pinned(tree_.pod_lookup_link(pod)));
    if (!pinned || pinned->id() != link.id()) {
        return Error("the pin of the pod's sk_lookup link is gone");
    }
    return {};
}

Result<void> InboundAttachment::check_filters(const Netns& netns,
                                              const PodEnrolment& enrolment) const {
    FSM_ASSIGN(const std::vector<int> indexes, covered_interfaces_in(netns, enrolment.interfaces));
    if (indexes.empty()) {
        return Error("the pod has no interface that could have the tc filters");
    }
    for (const int index : indexes) {
        FSM_ASSIGN(const TcAttached attached, attached_in(netns, index, tc_handle_));
        if (attached.ingress == 0 || attached.egress == 0) {
            return Error(std::string("the tc ") + (attached.ingress == 0 ? "ingress" : "egress") +
                         " filter of interface " + std::to_string(index) + " is gone");
        }
    }
    return {};
}

std::vector<std::string> InboundAttachment::verify_pins() {
    std::vector<std::string> repaired;
    const std::lock_guard guard(mutex_);
    for (const auto& [pod, held] : links_) {
        const std::string path = tree_.pod_lookup_link(pod);
        if (access(path.c_str(), F_OK) == 0) {
            continue;
        }
        // Failures are retried, and check() reports them.
        if (remember_netns(tree_, pod, held.link.netns_inode()) && pin(held.link.fd(), path)) {
            repaired.push_back("the pin " + path + " was gone");
        }
    }
    return repaired;
}

bool InboundAttachment::has_filters(Cookie pod) const {
    const std::lock_guard guard(mutex_);
    return with_filters_.contains(pod);
}

void InboundAttachment::note_filters(Cookie pod) {
    const std::lock_guard guard(mutex_);
    with_filters_.insert(pod);
}

InboundAttachment::Life InboundAttachment::life_of(Cookie pod) const {
    const std::lock_guard guard(mutex_);
    const auto found = links_.find(pod);
    if (found == links_.end()) {
        return Life::unknown;
    }
    BpfLink& link = found->second.link;
    if (!link.refresh()) {
        return Life::unknown;
    }
    return link.netns_inode() == 0 ? Life::dead : Life::alive;
}

}  // namespace fsm
