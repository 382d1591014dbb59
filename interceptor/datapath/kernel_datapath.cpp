#include "interceptor/datapath/kernel_datapath.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <optional>

#include "interceptor/datapath/bpf_link.h"
#include "interceptor/datapath/map_adoption.h"

namespace fsm {
namespace {

template <typename T>
Result<T> run_in(const Netns& netns, const std::function<Result<T>()>& work) {
    std::optional<Result<T>> result;
    FSM_TRY(netns.run([&] { result.emplace(work()); }));
    return std::move(*result);
}

ListenerPorts listener_ports(const InterceptionPolicy& policy) {
    return {policy.outbound_port4, policy.inbound_port4, policy.outbound_port6,
            policy.inbound_port6};
}

// BPF programs that began before this call have ended after it: entries that they may have been on
// their way to can go. MEMBARRIER_CMD_GLOBAL waits for an RCU grace period; where it is not offered
// (isolated CPUs), the seconds between two sweeps have to do.
void wait_for_running_programs() {
    (void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

std::uint64_t monotonic_nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000ULL +
           static_cast<std::uint64_t>(now.tv_nsec);
}

Acceleration acceleration_of(const struct fsm_pod& entry) {
    switch (entry.scope) {
        case FSM_SCOPE_SIDECAR:
            return Acceleration::sidecar;
        case FSM_SCOPE_FULL:
            return Acceleration::full;
        default:
            return Acceleration::off;
    }
}

InboundMechanism inbound_of(const struct fsm_pod& entry) {
    return (entry.flags & FSM_POD_INBOUND_TC) != 0 ? InboundMechanism::tc
                                                   : InboundMechanism::sk_lookup;
}

Result<std::vector<int>> covered_interfaces(const std::vector<std::string>& names) {
    return names.empty() ? all_interface_indexes() : interface_indexes(names);
}

Result<void> validate(const PodEnrolment& enrolment) {
    if (enrolment.netns_cookie == 0) {
        return Error("the pod has no network namespace cookie", EINVAL);
    }
    for (const IpAddress& address : enrolment.addresses) {
        if (address.is_loopback() || address.is_unspecified()) {
            return Error(address.to_string() + " cannot be the address of a pod", EINVAL);
        }
    }
    return {};
}

bool is_full(const Error& error) {
    return error.errno_value() == E2BIG || error.errno_value() == ENOSPC;
}

}  // namespace

ListenerPorts listener_ports(const struct fsm_pod& entry) {
    return {entry.outbound_port4, entry.inbound_port4, entry.outbound_port6, entry.inbound_port6};
}

Result<std::vector<ListeningSocket>> listening_sockets_in(const Netns& netns) {
    return run_in<std::vector<ListeningSocket>>(netns, listening_sockets);
}

Result<std::unique_ptr<KernelDatapath>> KernelDatapath::create(Parts parts) {
    std::unique_ptr<KernelDatapath> datapath(new KernelDatapath(std::move(parts)));
    FSM_TRY(datapath->learn_pods());
    return datapath;
}

// What an earlier process has left: also policies that it had written for a pod that it did not
// come to switch.
Result<void> KernelDatapath::learn_pods() {
    std::set<std::uint32_t> living;
    FSM_ASSIGN(const auto cookies, map("fsm_pods").keys<std::uint64_t>());
    for (const std::uint64_t cookie : cookies) {
        FSM_ASSIGN(const auto entry,
                   (map("fsm_pods").lookup<std::uint64_t, struct fsm_pod>(cookie)));
        if (entry) {
            pods_[cookie].pod_id = entry->pod_id;
            living.insert(entry->pod_id);
            ids_.adopt(entry->pod_id);
        }
    }
    FSM_ASSIGN(const auto addresses, map("fsm_pod_ips").keys<struct fsm_address>());
    for (const struct fsm_address& address : addresses) {
        FSM_ASSIGN(const auto owner,
                   (map("fsm_pod_ips").lookup<struct fsm_address, std::uint64_t>(address)));
        const bool is_known = owner && (pods_.contains(*owner) || *owner == FSM_NO_POD);
        if (is_known && ip_address(address).is_link_local()) {
            link_locals_.learn(ip_address(address), *owner);
        } else if (owner && pods_.contains(*owner)) {
            pods_[*owner].addresses.push_back(ip_address(address));
        } else if (owner) {
            FSM_TRY(map("fsm_pod_ips").remove(address));
        }
    }
    return purge_policies(map("fsm_ports"), map("fsm_ranges"),
                          [&](std::uint32_t id) { return !living.contains(id); });
}

bool KernelDatapath::is_recorded(std::uint64_t netns_cookie) const {
    const std::lock_guard guard(mutex_);
    return pods_.contains(netns_cookie);
}

std::optional<KernelDatapath::PodRecord> KernelDatapath::record_of(
    std::uint64_t netns_cookie) const {
    const std::lock_guard guard(mutex_);
    const auto found = pods_.find(netns_cookie);
    return found == pods_.end() ? std::nullopt : std::optional(found->second);
}

int KernelDatapath::program(const char* name) const {
    const auto found = parts_.programs.find(name);
    return found == parts_.programs.end() ? -1 : found->second.get();
}

bool KernelDatapath::has_lookup() const {
    return parts_.probe.sk_lookup && program("fsm_lookup") >= 0;
}

bool KernelDatapath::has_tc() const {
    return parts_.probe.tc && program("fsm_ingress") >= 0 && program("fsm_egress") >= 0;
}

TcPrograms KernelDatapath::tc_programs() const {
    return {program("fsm_ingress"), program("fsm_egress"),
            tc_handle(parts_.options.bpffs, parts_.options.name)};
}

// ---- enrol -------------------------------------------------------------------------------------

Result<EnrolledPod> KernelDatapath::enrol(const Netns& netns, const PodEnrolment& enrolment) {
    FSM_TRY(validate(enrolment));
    const auto lock = pod_locks_.lock(enrolment.netns_cookie);
    UndoLog undo;
    auto enrolled = enrol_by_steps(netns, enrolment, undo);
    if (!enrolled) {
        return undo.roll_back(enrolled.error());
    }
    return enrolled;
}

// The order lets a connection at any moment see the old rules or the new ones: what the pod's entry
// leads to is there before the entry, and what the old entry led to goes after it.
Result<EnrolledPod> KernelDatapath::enrol_by_steps(const Netns& netns,
                                                   const PodEnrolment& enrolment, UndoLog& undo) {
    const std::uint64_t cookie = enrolment.netns_cookie;
    const ListenerPorts ports = listener_ports(enrolment.policy);
    PodDecision decision;
    decision.pod_id = reserve_pod_id(undo);
    decision.acceleration = decide_acceleration(enrolment.policy);
    FSM_TRY(add_policy(policy_entries(decision.pod_id, enrolment.policy), undo));

    FSM_ASSIGN(const std::vector<ListeningSocket> listeners, listening_sockets_in(netns));
    FSM_ASSIGN(decision.inbound,
               choose_inbound(enrolment, add_listeners(netns, enrolment, listeners, undo)));
    FSM_TRY(attach_inbound(netns, enrolment, decision.inbound, undo));
    FSM_TRY(note_listeners(cookie, ports, listeners));
    FSM_ASSIGN(const Cookies displaced, add_addresses(enrolment, undo));
    FSM_TRY(set_link_locals(enrolment, undo));
    const struct fsm_pod entry = pod_entry(enrolment, decision);
    FSM_TRY(switch_pod(cookie, entry, undo));

    // A listener that began to listen after the first look and before the switch was seen by
    // neither.
    FSM_ASSIGN(const std::vector<ListeningSocket> newer, listening_sockets_in(netns));
    auto taken = add_listeners(netns, enrolment, newer, undo);
    if (!taken && decision.inbound == InboundMechanism::sk_lookup) {
        return std::move(taken.error());
    }
    FSM_ASSIGN(const std::uint32_t seen, note_listeners(cookie, ports, newer));

    const auto former = record(cookie, {decision.pod_id, enrolment.addresses}, displaced);
    if (former) {
        auto cleaned = remove_superseded(netns, enrolment, *former, entry);
        if (!cleaned) {
            undo = UndoLog();
            return std::move(cleaned.error())
                .within("the pod is enrolled, but not what it had before is gone");
        }
    }
    return describe(cookie, entry, seen);
}

Acceleration KernelDatapath::decide_acceleration(const InterceptionPolicy& policy) const {
    if (!parts_.probe.order_and_flow_control) {
        return Acceleration::off;
    }
    if (policy.acceleration) {
        return *policy.acceleration;
    }
    return policy.sidecar_reads_safely ? parts_.probe.automatic : Acceleration::off;
}

std::uint32_t KernelDatapath::reserve_pod_id(UndoLog& undo) {
    const std::uint32_t id = ids_.reserve();
    undo.add([this, id]() -> Result<void> {
        ids_.release({id});
        return {};
    });
    return id;
}

Result<void> KernelDatapath::add_policy(const PolicyEntries& entries, UndoLog& undo) {
    auto written = write_policy(map("fsm_ports"), map("fsm_ranges"), entries);
    if (!written && is_full(written.error())) {
        FSM_TRY(purge_retired_policies());
        written = write_policy(map("fsm_ports"), map("fsm_ranges"), entries);
    }
    if (written) {
        undo.add([this, entries]() -> Result<void> {
            for (const fsm_port_key& key : entries.ports) {
                FSM_TRY(map("fsm_ports").remove(key));
            }
            for (const fsm_range_key& key : entries.ranges) {
                FSM_TRY(map("fsm_ranges").remove(key));
            }
            return {};
        });
    }
    return written;
}

Result<void> KernelDatapath::add_listeners(const Netns& netns, const PodEnrolment& enrolment,
                                           const std::vector<ListeningSocket>& sockets,
                                           UndoLog& undo) {
    FSM_ASSIGN(
        const std::vector<fsm_listener_key> added,
        take_over_listeners(map("fsm_listeners"), parts_.options.proc, netns.identity(),
                            enrolment.netns_cookie, listener_ports(enrolment.policy), sockets));
    if (!added.empty()) {
        undo.add([this, added] { return remove_listeners(map("fsm_listeners"), added); });
    }
    return {};
}

Result<InboundMechanism> KernelDatapath::choose_inbound(const PodEnrolment& enrolment,
                                                        const Result<void>& listeners_taken) const {
    const auto wanted = enrolment.policy.inbound_mechanism;
    if (wanted != InboundMechanism::tc && has_lookup() && listeners_taken) {
        return InboundMechanism::sk_lookup;
    }
    if (wanted == InboundMechanism::sk_lookup) {
        return has_lookup() ? listeners_taken.error()
                            : Error(
                                  "inbound \"sk_lookup\" was asked for, but this kernel does not "
                                  "take the program (Linux 5.9): use \"auto\" or \"tc\"");
    }
    if (!has_tc()) {
        return Error("neither sk_lookup nor tc can be used on this kernel: " +
                     (listeners_taken ? std::string("it refuses both programs")
                                      : listeners_taken.error().message()));
    }
    return InboundMechanism::tc;
}

Result<void> KernelDatapath::attach_inbound(const Netns& netns, const PodEnrolment& enrolment,
                                            InboundMechanism inbound, UndoLog& undo) {
    const std::uint64_t cookie = enrolment.netns_cookie;
    if (!is_recorded(cookie)) {
        undo.add([this, cookie] { return remove_tree(parts_.tree.pod(cookie)); });
    }
    FSM_TRY(remember_netns(parts_.tree, cookie, netns.identity().inode));
    if (inbound == InboundMechanism::tc) {
        return attach_tc_filters(netns, enrolment, undo);
    }
    FSM_ASSIGN(const LookupLink link,
               attach_lookup(parts_.tree, cookie, netns, program("fsm_lookup")));
    if (link == LookupLink::made) {
        undo.add([this, cookie] { return detach_lookup(parts_.tree, cookie); });
    }
    return {};
}

Result<void> KernelDatapath::attach_tc_filters(const Netns& netns, const PodEnrolment& enrolment,
                                               UndoLog& undo) {
    const TcPrograms programs = tc_programs();
    const std::uint64_t cookie = enrolment.netns_cookie;
    FSM_ASSIGN(const PodPins before, read_pod_pins(parts_.tree, cookie));
    std::vector<TcInterface> attached;
    auto outcome = run_in<std::vector<int>>(netns, [&]() -> Result<std::vector<int>> {
        FSM_ASSIGN(const std::vector<int> indexes, covered_interfaces(enrolment.interfaces));
        for (const int index : indexes) {
            FSM_ASSIGN(const TcInterface interface, attach_tc(index, programs));
            attached.push_back(interface);
        }
        return indexes;
    });
    if (before.interfaces.empty()) {
        undo.add([this, &netns, cookie] { return detach_tc_filters(netns, cookie); });
    }
    for (const TcInterface& interface : attached) {
        FSM_TRY(remember_interface(parts_.tree, cookie, interface));
    }
    if (!outcome) {
        return std::move(outcome.error());
    }
    return {};
}

Result<void> KernelDatapath::detach_tc_filters(const Netns& netns, std::uint64_t netns_cookie) {
    FSM_ASSIGN(const PodPins pins, read_pod_pins(parts_.tree, netns_cookie));
    if (pins.interfaces.empty()) {
        return {};
    }
    const std::uint32_t handle = tc_programs().handle;
    for (const TcInterface& interface : pins.interfaces) {
        Result<void> detached;
        FSM_TRY(netns.run([&] { detached = detach_tc(interface, handle); }));
        FSM_TRY(std::move(detached));
        FSM_TRY(forget_interface(parts_.tree, netns_cookie, interface));
    }
    return {};
}

Result<KernelDatapath::Cookies> KernelDatapath::add_addresses(const PodEnrolment& enrolment,
                                                              UndoLog& undo) {
    const std::lock_guard guard(mutex_);
    const std::uint64_t cookie = enrolment.netns_cookie;
    Cookies displaced;
    for (const IpAddress& address : enrolment.addresses) {
        const struct fsm_address key = map_address(address);
        FSM_ASSIGN(const auto owner,
                   (map("fsm_pod_ips").lookup<struct fsm_address, std::uint64_t>(key)));
        if (owner == cookie) {
            continue;
        }
        FSM_TRY(map("fsm_pod_ips").put(key, cookie));
        undo.add([this, key, cookie, owner] { return give_back_address(key, cookie, owner); });
        if (owner) {
            displaced.insert(*owner);
        }
    }
    return displaced;
}

Result<void> KernelDatapath::give_back_address(const struct fsm_address& key, std::uint64_t from,
                                               std::optional<std::uint64_t> to) {
    const std::lock_guard guard(mutex_);
    FSM_ASSIGN(const auto owner,
               (map("fsm_pod_ips").lookup<struct fsm_address, std::uint64_t>(key)));
    if (owner != from) {
        return {};
    }
    if (to && pods_.contains(*to)) {
        return map("fsm_pod_ips").put(key, *to);
    }
    FSM_TRY(map("fsm_pod_ips").remove(key));
    return {};
}

Result<void> KernelDatapath::remove_address(const IpAddress& address, std::uint64_t netns_cookie) {
    return give_back_address(map_address(address), netns_cookie, std::nullopt);
}

Result<void> KernelDatapath::set_link_locals(const PodEnrolment& enrolment, UndoLog& undo) {
    const std::uint64_t cookie = enrolment.netns_cookie;
    undo.add([this, cookie, before = link_locals_.of(cookie)] {
        return link_locals_.set(cookie, before);
    });
    return link_locals_.set(cookie, enrolment.link_locals);
}

Result<void> KernelDatapath::switch_pod(std::uint64_t netns_cookie, const struct fsm_pod& entry,
                                        UndoLog& undo) {
    FSM_ASSIGN(const auto before,
               (map("fsm_pods").lookup<std::uint64_t, struct fsm_pod>(netns_cookie)));
    FSM_TRY(map("fsm_pods").put(netns_cookie, entry));
    undo.add([this, netns_cookie, before]() -> Result<void> {
        if (before) {
            return map("fsm_pods").put(netns_cookie, *before);
        }
        FSM_TRY(map("fsm_observed").remove(netns_cookie));
        FSM_TRY(map("fsm_pods").remove(netns_cookie));
        return {};
    });
    return {};
}

Result<std::uint32_t> KernelDatapath::note_listeners(std::uint64_t netns_cookie,
                                                     const ListenerPorts& ports,
                                                     const std::vector<ListeningSocket>& sockets) {
    FSM_ASSIGN(const auto before,
               (map("fsm_observed").lookup<std::uint64_t, struct fsm_observed>(netns_cookie)));
    const std::uint32_t old_bits = before ? before->seen : 0;
    struct fsm_observed observed {};
    observed.seen = listeners_seen(ports, sockets, old_bits);
    if (!before || observed.seen != old_bits) {
        FSM_TRY(map("fsm_observed").put(netns_cookie, observed));
    }
    return observed.seen;
}

std::optional<KernelDatapath::PodRecord> KernelDatapath::record(std::uint64_t netns_cookie,
                                                                PodRecord pod,
                                                                const Cookies& displaced) {
    const std::lock_guard guard(mutex_);
    for (const std::uint64_t owner : displaced) {
        const auto other = pods_.find(owner);
        if (other != pods_.end()) {
            std::erase_if(other->second.addresses, [&](const IpAddress& address) {
                return std::find(pod.addresses.begin(), pod.addresses.end(), address) !=
                       pod.addresses.end();
            });
        }
    }
    std::optional<PodRecord> former;
    const auto known = pods_.find(netns_cookie);
    if (known != pods_.end()) {
        former = std::exchange(known->second, std::move(pod));
    } else {
        pods_.emplace(netns_cookie, std::move(pod));
    }
    return former;
}

// What the pod had under its former policy and has no more: the policy, addresses, the other
// mechanism, listeners on other ports.
Result<void> KernelDatapath::remove_superseded(const Netns& netns, const PodEnrolment& enrolment,
                                               const PodRecord& former,
                                               const struct fsm_pod& entry) {
    const std::uint64_t cookie = enrolment.netns_cookie;
    ids_.retire(former.pod_id);
    for (const IpAddress& address : former.addresses) {
        if (std::find(enrolment.addresses.begin(), enrolment.addresses.end(), address) ==
            enrolment.addresses.end()) {
            FSM_TRY(remove_address(address, cookie));
        }
    }
    FSM_TRY(forget_listeners(map("fsm_listeners"), cookie, listener_ports(entry)));
    return inbound_of(entry) == InboundMechanism::tc ? detach_lookup(parts_.tree, cookie)
                                                     : detach_tc_filters(netns, cookie);
}

// ---- withdraw ----------------------------------------------------------------------------------

Result<void> KernelDatapath::withdraw(std::uint64_t netns_cookie, const Netns* netns) {
    const auto lock = pod_locks_.lock(netns_cookie);
    return withdraw_locked(netns_cookie, netns);
}

Result<void> KernelDatapath::withdraw_locked(std::uint64_t netns_cookie, const Netns* netns) {
    FSM_TRY(map("fsm_pods").remove(netns_cookie));
    FSM_TRY(link_locals_.set(netns_cookie, {}));
    if (const auto record = record_of(netns_cookie)) {
        ids_.retire(record->pod_id);
        for (const IpAddress& address : record->addresses) {
            FSM_TRY(remove_address(address, netns_cookie));
        }
        const std::lock_guard guard(mutex_);
        pods_.erase(netns_cookie);
    }
    FSM_TRY(map("fsm_observed").remove(netns_cookie));
    FSM_TRY(detach_lookup(parts_.tree, netns_cookie));
    if (netns != nullptr) {
        FSM_TRY(detach_tc_filters(*netns, netns_cookie));
        FSM_TRY(forget_listeners(map("fsm_listeners"), netns_cookie, ListenerPorts()));
    }
    return remove_tree(parts_.tree.pod(netns_cookie));
}

Result<void> KernelDatapath::forget_address(const IpAddress& address, std::uint64_t keep) {
    const std::lock_guard guard(mutex_);
    const struct fsm_address key = map_address(address);
    FSM_ASSIGN(const auto owner,
               (map("fsm_pod_ips").lookup<struct fsm_address, std::uint64_t>(key)));
    if (!owner || *owner == keep) {
        return {};
    }
    FSM_TRY(map("fsm_pod_ips").remove(key));
    const auto pod = pods_.find(*owner);
    if (pod != pods_.end()) {
        std::erase(pod->second.addresses, address);
    }
    return {};
}

// ---- check -------------------------------------------------------------------------------------

Result<void> KernelDatapath::check(const Netns& netns, std::uint64_t netns_cookie) const {
    const auto lock = pod_locks_.lock(netns_cookie);
    FSM_ASSIGN(const auto entry,
               (map("fsm_pods").lookup<std::uint64_t, struct fsm_pod>(netns_cookie)));
    if (!entry) {
        return Error("the pod is not enrolled in the data path", ENOENT);
    }
    for (const ProgramSpec& spec : program_specs()) {
        if (spec.kind != HookKind::cgroup) {
            continue;
        }
        FSM_ASSIGN(const std::uint32_t id, program_id(program(spec.name)));
        FSM_ASSIGN(const bool attached, parts_.links.is_attached(spec, id));
        if (!attached) {
            return Error(std::string("program ") + spec.name + " is no longer attached to " +
                         spec.hook + ": restart the interceptor");
        }
    }
    FSM_TRY(check_inbound(netns, netns_cookie, *entry));
    return check_listeners(netns, netns_cookie, *entry);
}

Result<void> KernelDatapath::check_inbound(const Netns& netns, std::uint64_t netns_cookie,
                                           const struct fsm_pod& entry) const {
    if (inbound_of(entry) == InboundMechanism::sk_lookup) {
        FSM_ASSIGN(const auto link,
                   BpfLink::open_pinned(parts_.tree.pod_lookup_link(netns_cookie)));
        if (!link || link->netns_inode() != netns.identity().inode) {
            return Error("sk_lookup is not attached to the pod's network namespace");
        }
        return {};
    }
    FSM_ASSIGN(const PodPins pins, read_pod_pins(parts_.tree, netns_cookie));
    if (pins.interfaces.empty()) {
        return Error("no interface of the pod is known to have the tc filters");
    }
    const std::uint32_t handle = tc_programs().handle;
    for (const TcInterface& interface : pins.interfaces) {
        FSM_ASSIGN(const TcAttached attached,
                   run_in<TcAttached>(netns, [&] { return attached_tc(interface.index, handle); }));
        if (attached.ingress == 0 || attached.egress == 0) {
            return Error(std::string("the tc ") + (attached.ingress == 0 ? "ingress" : "egress") +
                         " filter of interface " + std::to_string(interface.index) + " is gone");
        }
    }
    return {};
}

Result<void> KernelDatapath::check_listeners(const Netns& netns, std::uint64_t netns_cookie,
                                             const struct fsm_pod& entry) const {
    if (inbound_of(entry) == InboundMechanism::tc) {
        return {};
    }
    FSM_ASSIGN(const std::vector<ListeningSocket> sockets, listening_sockets_in(netns));
    FSM_ASSIGN(const bool known, any_listener_known(map("fsm_listeners"), netns_cookie,
                                                    listener_ports(entry), sockets));
    if (!known) {
        return Error("the sidecar listens, but none of its listeners is known to the data path");
    }
    return {};
}

// ---- sweep -------------------------------------------------------------------------------------

Result<void> KernelDatapath::purge_retired_policies() {
    const std::set<std::uint32_t> retired = ids_.retired();
    if (retired.empty()) {
        return {};
    }
    wait_for_running_programs();
    FSM_TRY(purge_policies(map("fsm_ports"), map("fsm_ranges"),
                           [&](std::uint32_t id) { return retired.contains(id); }));
    ids_.release(retired);
    return {};
}

Result<void> KernelDatapath::sweep() {
    const std::lock_guard guard(sweeping_);
    FSM_TRY(sweep_flows());
    FSM_TRY(withdraw_dead_pods());
    FSM_TRY(link_locals_.forget_ambiguous());
    FSM_TRY(purge_retired_policies());
    return drop_empty_retired(parts_.tree);
}

Result<void> KernelDatapath::sweep_flows() {
    FSM_ASSIGN(const auto keys, map("fsm_flows").keys<struct fsm_flow_key>());
    const std::uint64_t now = monotonic_nanoseconds();
    for (const struct fsm_flow_key& key : keys) {
        FSM_ASSIGN(const auto flow,
                   (map("fsm_flows").lookup<struct fsm_flow_key, struct fsm_flow>(key)));
        if (flow && flow->idle_since_ns != 0 && flow->idle_since_ns + FSM_FLOW_LINGER_NS < now) {
            FSM_TRY(map("fsm_flows").remove(key));
        }
    }
    return {};
}

// The link of a namespace that has ended says so. (A namespace with tc filters takes them along;
// its pod is found by who watches the pods.)
Result<void> KernelDatapath::withdraw_dead_pods() {
    FSM_ASSIGN(const std::vector<std::uint64_t> cookies, pinned_pods(parts_.tree));
    for (const std::uint64_t cookie : cookies) {
        FSM_TRY(withdraw_if_dead(cookie));
    }
    return {};
}

// Looks with the pod's lock held: a link that was just replaced says the same as a dead one.
Result<void> KernelDatapath::withdraw_if_dead(std::uint64_t netns_cookie) {
    const auto lock = pod_locks_.lock(netns_cookie);
    FSM_ASSIGN(const auto link, BpfLink::open_pinned(parts_.tree.pod_lookup_link(netns_cookie)));
    if (link && link->netns_inode() == 0) {
        return withdraw_locked(netns_cookie, nullptr);
    }
    return {};
}

// ---- what there is -----------------------------------------------------------------------------

EnrolledPod KernelDatapath::describe(std::uint64_t netns_cookie, const struct fsm_pod& entry,
                                     std::uint32_t seen) const {
    EnrolledPod pod;
    pod.netns_cookie = netns_cookie;
    if (auto record = record_of(netns_cookie)) {
        pod.addresses = std::move(record->addresses);
    }
    pod.inbound = inbound_of(entry);
    pod.acceleration = acceleration_of(entry);
    pod.listeners_seen = seen;
    return pod;
}

Result<std::vector<EnrolledPod>> KernelDatapath::pods() const {
    std::vector<EnrolledPod> pods;
    FSM_ASSIGN(const auto cookies, map("fsm_pods").keys<std::uint64_t>());
    for (const std::uint64_t cookie : cookies) {
        FSM_ASSIGN(const auto entry,
                   (map("fsm_pods").lookup<std::uint64_t, struct fsm_pod>(cookie)));
        FSM_ASSIGN(const auto observed,
                   (map("fsm_observed").lookup<std::uint64_t, struct fsm_observed>(cookie)));
        if (entry) {
            pods.push_back(describe(cookie, *entry, observed ? observed->seen : 0));
        }
    }
    return pods;
}

Result<std::vector<DatapathMap>> KernelDatapath::maps() const {
    std::vector<DatapathMap> maps;
    for (const auto& [name, map] : parts_.maps) {
        FSM_ASSIGN(const std::uint64_t entries, map.count());
        maps.push_back({name, map.id(), entries, map.shape().max_entries});
    }
    return maps;
}

Result<bool> KernelDatapath::is_attached(const ProgramSpec& spec, std::uint32_t id) const {
    switch (spec.kind) {
        case HookKind::cgroup:
            return parts_.links.is_attached(spec, id);
        case HookKind::socket_map:
            return true;  // or open() would have failed
        case HookKind::netns:
        case HookKind::tc:
            break;
    }
    FSM_ASSIGN(const std::vector<EnrolledPod> enrolled, pods());
    const InboundMechanism mechanism =
        spec.kind == HookKind::tc ? InboundMechanism::tc : InboundMechanism::sk_lookup;
    return std::any_of(enrolled.begin(), enrolled.end(),
                       [&](const EnrolledPod& pod) { return pod.inbound == mechanism; });
}

Result<std::vector<DatapathProgram>> KernelDatapath::programs() const {
    std::vector<DatapathProgram> programs;
    for (const ProgramSpec& spec : program_specs()) {
        const int fd = program(spec.name);
        if (fd < 0) {
            programs.push_back({spec.name, spec.hook, 0, false});
            continue;
        }
        FSM_ASSIGN(const std::uint32_t id, program_id(fd));
        FSM_ASSIGN(const bool attached, is_attached(spec, id));
        programs.push_back({spec.name, spec.hook, id, attached});
    }
    return programs;
}

Result<std::vector<CounterValue>> KernelDatapath::counters() const {
    std::vector<CounterValue> counters = {
#define FSM_COUNTER_VALUE(id, name, help) {name, help, 0},
        FSM_COUNTERS(FSM_COUNTER_VALUE)
#undef FSM_COUNTER_VALUE
    };
    for (std::uint32_t index = 0; index < counters.size(); ++index) {
        FSM_ASSIGN(counters[index].value, map("fsm_counters").sum_over_cpus(index));
    }
    return counters;
}

}  // namespace fsm
