#include "interceptor/datapath/kernel_datapath.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "common/failures.h"
#include "interceptor/datapath/map_adoption.h"
#include "interceptor/datapath/pod_pins.h"
#include "interceptor/datapath/tc_flows.h"
#include "interceptor/interception/netns_scan.h"

namespace fsm {
namespace {

ListenerPorts listener_ports(const InterceptionPolicy& policy) {
    return {policy.outbound_port4, policy.inbound_port4, policy.outbound_port6,
            policy.inbound_port6};
}

std::uint64_t monotonic_nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000ULL +
           static_cast<std::uint64_t>(now.tv_nsec);
}

InboundMechanism inbound_of(const struct fsm_pod& entry) {
    return (entry.flags & FSM_POD_INBOUND_TC) != 0 ? InboundMechanism::tc
                                                   : InboundMechanism::sk_lookup;
}

Result<void> validate(const PodEnrolment& enrolment) {
    if (enrolment.netns_cookie == 0 || enrolment.netns_cookie == FSM_OWN_NETNS) {
        return Error("the pod has no network namespace cookie", EINVAL);
    }
    for (const IpAddress& address : enrolment.addresses) {
        if (address.is_loopback() || address.is_unspecified()) {
            return Error(address.to_string() + " cannot be the address of a pod", EINVAL);
        }
    }
    return {};
}

// Bits that must never be lost again: without them, IPv6 would pass a sidecar that is down.
constexpr std::uint32_t lasting(std::uint32_t seen) {
    return seen & ~static_cast<std::uint32_t>(FSM_SEEN_OUT4);
}

}  // namespace

ListenerPorts listener_ports(const struct fsm_pod& entry) {
    return {entry.outbound_port4, entry.inbound_port4, entry.outbound_port6, entry.inbound_port6};
}

// ---- start -------------------------------------------------------------------------------------

KernelDatapath::KernelDatapath(Parts parts)
    : parts_(std::move(parts)),
      policies_(map("fsm_ports"), map("fsm_ranges")),
      inbound_(*parts_.inbound),
      addresses_(map("fsm_pod_ips"), map("fsm_addresses"),
                 [this](std::uint64_t cookie) { return is_alive(cookie); }) {}

Result<std::unique_ptr<KernelDatapath>> KernelDatapath::create(Parts parts) {
    std::unique_ptr<KernelDatapath> datapath(new KernelDatapath(std::move(parts)));
    FSM_TRY(datapath->learn_pods());
    return datapath;
}

// What an earlier process has left: also lists that it had written for a pod that it did not come
// to switch.
Result<void> KernelDatapath::learn_pods() {
    std::set<std::uint32_t> numbers;
    std::set<std::uint64_t> cookies;
    FSM_ASSIGN(const auto entries, (map("fsm_pods").entries<std::uint64_t, struct fsm_pod>()));
    for (const auto& [cookie, entry] : entries) {
        PodRecord record;
        record.decision = {entry.pod_id, inbound_of(entry), acceleration_of(entry),
                           entry.listeners};
        pods_.emplace(cookie, record);
        numbers.insert(entry.pod_id);
        cookies.insert(cookie);
        FSM_TRY(map("fsm_usage").put_new(cookie, fsm_usage{}));
    }
    FSM_TRY(policies_.learn(numbers));
    return addresses_.learn(cookies);
}

std::optional<KernelDatapath::PodRecord> KernelDatapath::record_of(
    std::uint64_t netns_cookie) const {
    const std::lock_guard guard(mutex_);
    const auto found = pods_.find(netns_cookie);
    return found == pods_.end() ? std::nullopt : std::optional(found->second);
}

Result<std::optional<struct fsm_pod>> KernelDatapath::entry_of(std::uint64_t netns_cookie) const {
    return map("fsm_pods").lookup<std::uint64_t, struct fsm_pod>(netns_cookie);
}

Result<struct fsm_observed> KernelDatapath::observed_of(std::uint64_t netns_cookie) const {
    FSM_ASSIGN(const auto observed,
               (map("fsm_observed").lookup<std::uint64_t, struct fsm_observed>(netns_cookie)));
    return observed.value_or(fsm_observed{});
}

bool KernelDatapath::has_programs(std::initializer_list<const char*> names) const {
    return std::all_of(names.begin(), names.end(),
                       [&](const char* name) { return parts_.loaded.programs.contains(name); });
}

bool KernelDatapath::has_lookup() const {
    return parts_.probe.sk_lookup && has_programs({"fsm_lookup", "fsm_steer"});
}

bool KernelDatapath::has_tc() const {
    return parts_.probe.tc &&
           has_programs({"fsm_ingress", "fsm_egress", "fsm_tc_in", "fsm_tc_out"});
}

// A pod without a link is looked for among the namespaces of the node.
bool KernelDatapath::is_alive(std::uint64_t netns_cookie) const {
    const InboundAttachment::Life life = inbound_.life_of(netns_cookie);
    if (life != InboundAttachment::Life::unknown) {
        return life == InboundAttachment::Life::alive;
    }
    bool found = false;
    const auto scanned = for_each_netns(parts_.options.proc, [&](const Netns& netns) {
        const auto cookie = netns.cookie();
        found = found || (cookie && *cookie == netns_cookie);
    });
    return found || !scanned;  // not known is no reason to take an address away
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
    FSM_ASSIGN(const auto former, entry_of(cookie));
    FSM_ASSIGN(const struct fsm_observed observed, observed_of(cookie));
    const auto known = record_of(cookie);
    const std::uint32_t seen_before = observed.seen | (former ? former->listeners : 0) |
                                      (known ? lasting(known->decision.listeners) : 0);
    PodRecord record;
    record.enrolment = enrolment;
    record.refused = observed.refused;
    record.decision.acceleration = decide_acceleration(enrolment.policy);
    FSM_ASSIGN(record.decision.pod_id, policies_.add(enrolment.policy, undo));

    FSM_ASSIGN(const std::vector<ListeningSocket> listeners, listening_sockets_in(netns));
    FSM_ASSIGN(
        const InboundChoice choice,
        choose_inbound(enrolment, add_listeners(netns, enrolment, listeners, undo), listeners));
    record.decision.inbound = choice.mechanism;
    record.inbound_reason = choice.reason;
    FSM_TRY(inbound_.attach(netns, enrolment, choice.mechanism, undo));
    FSM_TRY(addresses_.add(enrolment, undo));
    FSM_TRY(add_usage(cookie, undo));
    record.decision.listeners = listeners_seen(ports, listeners, seen_before);
    FSM_TRY(switch_pod(cookie, pod_entry(enrolment, record.decision), undo));

    // A listener that began to listen after the first look and before the switch was seen by
    // neither.
    FSM_ASSIGN(const std::vector<ListeningSocket> newer, listening_sockets_in(netns));
    auto taken = add_listeners(netns, enrolment, newer, undo);
    if (!taken && choice.mechanism == InboundMechanism::sk_lookup) {
        return std::move(taken.error());
    }
    const std::uint32_t seen = listeners_seen(ports, newer, record.decision.listeners);
    if (seen != record.decision.listeners) {
        record.decision.listeners = seen;
        FSM_TRY(map("fsm_pods").put(cookie, pod_entry(enrolment, record.decision)));
    }
    {
        const std::lock_guard guard(mutex_);
        pods_.insert_or_assign(cookie, record);
    }
    if (known) {
        policies_.retire(known->decision.pod_id);
    }
    // The pod is enrolled. What is left of its former rules is named by check(), after which it is
    // enrolled again.
    if (const auto removed = remove_superseded(netns, record, former); !removed) {
        const std::lock_guard guard(mutex_);
        pods_[cookie].not_removed = removed.error().message();
    }
    return describe(cookie, pod_entry(enrolment, record.decision));
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

Result<KernelDatapath::InboundChoice> KernelDatapath::choose_inbound(
    const PodEnrolment& enrolment, const Result<void>& listeners_taken,
    const std::vector<ListeningSocket>& sockets) const {
    const auto wanted = enrolment.policy.inbound_mechanism;
    const std::uint16_t mptcp = port_of_mptcp_alone(listener_ports(enrolment.policy), sockets);
    std::string obstacle;
    if (!has_lookup()) {
        obstacle = "this kernel does not take the sk_lookup programs (Linux 5.9)";
    } else if (!listeners_taken) {
        obstacle = listeners_taken.error().message();
    } else if (mptcp != 0) {
        obstacle = "the sidecar listens by MPTCP on port " + std::to_string(mptcp) +
                   ", and the kernel lets sk_lookup steer to no such listener";
    }
    if (wanted != InboundMechanism::tc && obstacle.empty()) {
        return InboundChoice{};
    }
    if (wanted == InboundMechanism::sk_lookup) {
        return Error("inbound \"sk_lookup\" was asked for, but " + obstacle +
                     ": use \"auto\" or \"tc\"");
    }
    if (!has_tc()) {
        return Error(
            "neither sk_lookup nor tc can be used on this kernel: it does not take the tc "
            "programs" +
            (obstacle.empty() ? "" : ", and " + obstacle));
    }
    return InboundChoice{InboundMechanism::tc,
                         wanted == InboundMechanism::tc ? std::string() : obstacle};
}

Result<void> KernelDatapath::add_usage(std::uint64_t netns_cookie, UndoLog& undo) {
    FSM_ASSIGN(const bool made, map("fsm_usage").put_new(netns_cookie, fsm_usage{}));
    if (made) {
        undo.add([this, netns_cookie]() -> Result<void> {
            FSM_TRY(map("fsm_usage").remove(netns_cookie));
            return {};
        });
    }
    return {};
}

Result<void> KernelDatapath::switch_pod(std::uint64_t netns_cookie, const struct fsm_pod& entry,
                                        UndoLog& undo) {
    FSM_ASSIGN(const auto before, entry_of(netns_cookie));
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

// What the pod had under its former entry and has no more: addresses, listeners on other ports, the
// other mechanism.
Result<void> KernelDatapath::remove_superseded(const Netns& netns, const PodRecord& now,
                                               const std::optional<struct fsm_pod>& former) {
    const PodEnrolment& enrolment = *now.enrolment;
    Failures failures;
    failures.note(addresses_.keep_only(enrolment));
    if (former) {
        failures.note(forget_listeners(map("fsm_listeners"), enrolment.netns_cookie,
                                       listener_ports(*former), listener_ports(enrolment.policy)));
    }
    failures.note(retire_inbound(netns, now));
    return failures.result();
}

// Filters of tc go when the connections that began through them have ended.
Result<void> KernelDatapath::retire_inbound(const Netns& netns, const PodRecord& now) {
    const std::uint64_t cookie = now.enrolment->netns_cookie;
    if (now.decision.inbound == InboundMechanism::sk_lookup) {
        const bool filters = inbound_.has_filters(cookie);
        if (!filters) {
            return {};
        }
        FSM_ASSIGN(const bool open, has_open_flows(cookie));
        if (open) {
            return {};
        }
    }
    return inbound_.detach_other(netns, cookie, now.decision.inbound);
}

Result<bool> KernelDatapath::has_open_flows(std::uint64_t netns_cookie) const {
    FSM_ASSIGN(const auto flows, (map("fsm_flows").entries<fsm_flow_key, fsm_flow>()));
    return std::any_of(flows.begin(), flows.end(),
                       [&](const auto& flow) { return flow.first.netns_cookie == netns_cookie; });
}

// ---- withdraw ----------------------------------------------------------------------------------

Result<void> KernelDatapath::withdraw(std::uint64_t netns_cookie, const Netns* netns) {
    const auto lock = pod_locks_.lock(netns_cookie);
    return withdraw_locked(netns_cookie, netns);
}

// The filters take no new connection from here on, and reset those that they translate. The pod's
// entry stays meanwhile: they translate the resets by it.
Result<void> KernelDatapath::end_filters(const Netns& netns, std::uint64_t netns_cookie,
                                         const struct fsm_pod& entry) {
    const bool filters = inbound_.has_filters(netns_cookie);
    if (!filters) {
        return {};
    }
    struct fsm_pod ending = entry;
    ending.flags &= ~FSM_POD_INBOUND_TC;
    FSM_TRY(map("fsm_pods").put(netns_cookie, ending));
    Result<void> reset;
    FSM_TRY(netns.run([&] { reset = reset_translated(map("fsm_flows"), netns_cookie); }));
    return reset;
}

Result<void> KernelDatapath::withdraw_locked(std::uint64_t netns_cookie, const Netns* netns) {
    FSM_ASSIGN(const auto entry, entry_of(netns_cookie));
    if (entry && netns != nullptr) {
        FSM_TRY(end_filters(*netns, netns_cookie, *entry));
    }
    FSM_TRY(map("fsm_pods").remove(netns_cookie));
    Failures failures;
    failures.note(addresses_.forget(netns_cookie));
    failures.note(map("fsm_observed").remove(netns_cookie));
    failures.note(map("fsm_usage").remove(netns_cookie));
    failures.note(inbound_.detach(netns, netns_cookie));
    const auto record = record_of(netns_cookie);
    if (entry && netns != nullptr) {
        failures.note(forget_listeners(map("fsm_listeners"), netns_cookie, listener_ports(*entry),
                                       ListenerPorts()));
    }
    if (record) {
        policies_.retire(record->decision.pod_id);
    }
    if (failures.empty()) {
        const std::lock_guard guard(mutex_);
        pods_.erase(netns_cookie);
    }
    return failures.result();
}

// ---- check -------------------------------------------------------------------------------------

Result<EnrolledPod> KernelDatapath::check(const Netns& netns, std::uint64_t netns_cookie) const {
    const auto lock = pod_locks_.lock(netns_cookie);
    FSM_ASSIGN(const auto entry, entry_of(netns_cookie));
    if (!entry) {
        return Error("the pod is not enrolled in the data path", ENOENT);
    }
    const auto record = record_of(netns_cookie);
    if (record && !record->not_removed.empty()) {
        return Error("not all that the pod had before is gone: " + record->not_removed);
    }
    if (record && record->enrolment) {
        FSM_TRY(check_entries(*entry, *record));
        FSM_TRY(inbound_.check(netns, *record->enrolment, record->decision.inbound));
    } else {
        FSM_TRY(check_adopted(netns, netns_cookie, *entry));
    }
    FSM_TRY(check_listeners_of(netns, netns_cookie, *entry));
    return describe(netns_cookie, *entry);
}

// A pod of an earlier process that this one has not enrolled again (the pod source has it no
// longer): what it must have is not known, but for what its entry says.
Result<void> KernelDatapath::check_adopted(const Netns& netns, std::uint64_t netns_cookie,
                                           const struct fsm_pod& entry) const {
    if (inbound_of(entry) == InboundMechanism::tc) {
        const bool filters = inbound_.has_filters(netns_cookie);
        return filters ? Result<void>()
                       : Result<void>(Error("no interface of the pod is known to have tc filters"));
    }
    PodEnrolment enrolment;
    enrolment.netns_cookie = netns_cookie;
    return inbound_.check(netns, enrolment, InboundMechanism::sk_lookup);
}

Result<void> KernelDatapath::check_entries(const struct fsm_pod& entry,
                                           const PodRecord& record) const {
    const PodEnrolment& enrolment = *record.enrolment;
    const struct fsm_pod wanted = pod_entry(enrolment, record.decision);
    if (std::memcmp(&entry, &wanted, sizeof(entry)) != 0) {
        return Error("the pod's entry in map fsm_pods was changed");
    }
    FSM_TRY(policies_.check(record.decision.pod_id, enrolment.policy));
    FSM_TRY(addresses_.check(enrolment));
    FSM_ASSIGN(const auto usage,
               (map("fsm_usage").lookup<std::uint64_t, fsm_usage>(enrolment.netns_cookie)));
    if (!usage) {
        return Error("map fsm_usage lacks the pod");
    }
    return {};
}

Result<void> KernelDatapath::check_listeners_of(const Netns& netns, std::uint64_t netns_cookie,
                                                const struct fsm_pod& entry) const {
    const ListenerPorts ports = listener_ports(entry);
    FSM_ASSIGN(const std::vector<ListeningSocket> sockets, listening_sockets_in(netns));
    FSM_ASSIGN(const struct fsm_observed observed, observed_of(netns_cookie));
    const std::uint32_t seen = entry.listeners | observed.seen;
    const std::uint32_t there = listeners_seen(ports, sockets, 0);
    if ((lasting(there) & ~seen) != 0 ||
        ((there & FSM_SEEN_OUT4) != 0 && (seen & FSM_SEEN_OUT4) == 0)) {
        return Error("what was seen of the sidecar's listeners is lost");
    }
    if (inbound_of(entry) == InboundMechanism::tc) {
        return {};
    }
    if (const std::uint16_t port = port_of_mptcp_alone(ports, sockets); port != 0) {
        return Error("the sidecar listens by MPTCP on port " + std::to_string(port) +
                     ", where sk_lookup cannot steer to");
    }
    return check_listeners(map("fsm_listeners"), netns_cookie, ports, sockets);
}

Result<std::vector<std::uint64_t>> KernelDatapath::pods_to_enrol_again() const {
    std::vector<std::uint64_t> pods;
    FSM_ASSIGN(const auto observed,
               (map("fsm_observed").entries<std::uint64_t, struct fsm_observed>()));
    const std::lock_guard guard(mutex_);
    for (const auto& [cookie, what] : observed) {
        const auto record = pods_.find(cookie);
        if (record != pods_.end() && record->second.enrolment &&
            record->second.refused != what.refused &&
            record->second.decision.inbound == InboundMechanism::sk_lookup) {
            pods.push_back(cookie);
        }
    }
    return pods;
}

std::vector<std::string> KernelDatapath::verify_node() {
    auto repaired = parts_.node.verify(parts_.loaded.maps, parts_.loaded.programs);
    const auto of_pods = inbound_.verify_pins();
    repaired.insert(repaired.end(), of_pods.begin(), of_pods.end());
    return repaired;
}

// ---- sweep -------------------------------------------------------------------------------------

Result<void> KernelDatapath::sweep() {
    const std::lock_guard guard(sweeping_);
    Failures failures;
    failures.note(sweep_flows());
    failures.note(withdraw_dead_pods());
    failures.note(policies_.purge_retired());
    failures.note(drop_empty_retired(parts_.tree));
    return failures.result();
}

Result<void> KernelDatapath::sweep_flows() {
    FSM_ASSIGN(const auto flows, (map("fsm_flows").entries<fsm_flow_key, fsm_flow>()));
    const std::uint64_t now = monotonic_nanoseconds();
    for (const auto& [key, flow] : flows) {
        if (flow.idle_since_ns != 0 && flow.idle_since_ns + FSM_FLOW_LINGER_NS < now) {
            FSM_TRY(map("fsm_flows").remove(key));
        }
    }
    return {};
}

// The link of a namespace that has ended says so. (A namespace with tc filters takes them along;
// the reconciler finds and withdraws its pod.)
Result<void> KernelDatapath::withdraw_dead_pods() {
    FSM_ASSIGN(const std::vector<std::uint64_t> cookies, pinned_pods(parts_.tree));
    Failures failures;
    for (const std::uint64_t cookie : cookies) {
        failures.note(withdraw_if_dead(cookie));
    }
    return failures.result();
}

// Looks with the pod's lock held: a link that was just replaced says the same as a dead one.
Result<void> KernelDatapath::withdraw_if_dead(std::uint64_t netns_cookie) {
    const auto lock = pod_locks_.lock(netns_cookie);
    return inbound_.life_of(netns_cookie) == InboundAttachment::Life::dead
               ? withdraw_locked(netns_cookie, nullptr)
               : Result<void>();
}

}  // namespace fsm
