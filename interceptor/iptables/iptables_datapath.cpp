#include "interceptor/iptables/iptables_datapath.h"

#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "common/failures.h"
#include "interceptor/interception/listening_sockets.h"
#include "interceptor/interception/netns_scan.h"
#include "interceptor/interception/sock_diag.h"

namespace fsm {
namespace {

Result<void> run_in(const Netns& netns, const std::function<Result<void>()>& work) {
    Result<void> outcome;
    FSM_TRY(netns.run([&] { outcome = work(); }));
    return outcome;
}

// xt_owner takes ids only from who is in the user namespace that owns the network namespace.
Result<void> refuse_user_namespace(const Netns& netns) {
    const Fd owner(ioctl(netns.fd().get(), NS_GET_USERNS));
    struct stat theirs {};
    struct stat ours {};
    if (!owner || fstat(owner.get(), &theirs) != 0 || stat("/proc/self/ns/user", &ours) != 0) {
        return {};  // before Linux 4.9, or hidden: the kernel has the last word
    }
    if (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino) {
        return {};
    }
    return Error(
        "the pod's network namespace belongs to a user namespace of its own (hostUsers: false), "
        "where iptables' owner match cannot be used from outside: let the pod use the host's user "
        "namespace, or use trafficInterceptionMode: ebpf",
        EPERM);
}

// What the sidecar listens on for IPv6, in the calling thread's namespace.
Result<Directions> listening_ipv6(const InterceptionPolicy& policy) {
    FSM_ASSIGN(const std::vector<ListeningSocket> sockets, listening_sockets());
    Directions listening;
    for (const ListeningSocket& socket : sockets) {
        if (serves_v6(socket)) {
            listening.outbound |= socket.port == policy.outbound_port6;
            listening.inbound |= socket.port == policy.inbound_port6;
        }
    }
    return listening;
}

Directions either(const Directions& a, const Directions& b) {
    return {a.outbound || b.outbound, a.inbound || b.inbound};
}

// A sidecar that has listened on IPv6 once is refused, not passed by, while it is down. The rules
// themselves are the memory of it.
Result<Directions> ipv6_directions(const InterceptionPolicy& policy, const RuleSet& present) {
    switch (policy.ipv6) {
        case Ipv6Mode::never:
            return Directions{};
        case Ipv6Mode::always:
            return Directions{true, true};
        case Ipv6Mode::when_listening:
            break;
    }
    FSM_ASSIGN(const Directions listening, listening_ipv6(policy));
    return either(listening, intercepted_by(present));
}

Result<void> remove_with(const RuleTool& tool, Family family) {
    FSM_ASSIGN(const RuleSet present, tool.read(family));
    return present.empty() ? Result<void>() : tool.replace(family, present, {});
}

// Whether something redirects, or has.
Result<bool> may_have_redirected(const std::vector<RuleTool>& tools, Family family) {
    for (const RuleTool& tool : tools) {
        FSM_ASSIGN(const RuleSet present, tool.read(family));
        if (!present.empty()) {
            return true;
        }
    }
    return false;
}

Result<void> leave_tracking(const ChosenTool& chosen, Family family) {
    FSM_ASSIGN(const RuleSet present, chosen.tool.read(family));
    FSM_ASSIGN(const bool by_others, may_have_redirected(chosen.others, family));
    return present.empty() && !by_others ? Result<void>()
                                         : chosen.tool.replace(family, present, tracking_rules());
}

Result<void> remove_with_all(const std::vector<RuleTool>& tools) {
    for (const RuleTool& tool : tools) {
        FSM_TRY(remove_with(tool, Family::ipv4));
        FSM_TRY(remove_with(tool, Family::ipv6));
    }
    return {};
}

// A connection that was redirected cannot outlive the translation: without a reset, an end that
// only waits would wait for ever. The resets are translated by the rules that are still there.
Result<void> reset_redirected(const std::vector<RuleTool>& tools) {
    std::set<std::uint16_t> ports;
    for (const RuleTool& tool : tools) {
        for (const Family family : {Family::ipv4, Family::ipv6}) {
            FSM_ASSIGN(const RuleSet present, tool.read(family));
            ports.merge(redirect_ports(present));
        }
    }
    if (ports.empty()) {
        return {};
    }
    FSM_TRY(abort_connections(
        [&](const TcpConnection& connection) { return ports.contains(connection.local_port()); }));
    return {};
}

Result<void> cut_and_remove(const std::vector<RuleTool>& tools) {
    FSM_TRY(reset_redirected(tools));
    return remove_with_all(tools);
}

// In the place of all rules: connections that are open go on.
Result<void> leave_tracking(const ChosenTool& chosen) {
    FSM_TRY(leave_tracking(chosen, Family::ipv4));
    FSM_TRY(leave_tracking(chosen, Family::ipv6));
    return remove_with_all(chosen.others);
}

// The same for a family that is no longer intercepted in a pod that is.
RuleSet or_tracking(RuleSet wanted, const RuleSet& before) {
    return wanted.empty() && !before.empty() ? tracking_rules() : std::move(wanted);
}

// By cookie.
Result<std::set<std::uint64_t>> living_namespaces(const std::string& proc) {
    std::set<std::uint64_t> living;
    FSM_TRY(for_each_netns(proc, [&](const Netns& netns) {
        if (const auto cookie = netns.cookie()) {
            living.insert(*cookie);
        }
    }));
    return living;
}

}  // namespace

// ---- open and uninstall ------------------------------------------------------------------------

Result<std::unique_ptr<IptablesDatapath>> IptablesDatapath::open(const IptablesOptions& options) {
    FSM_ASSIGN(ChosenTool chosen, choose_rule_tool());
    std::unique_ptr<IptablesDatapath> datapath(new IptablesDatapath(options, std::move(chosen)));
    FSM_TRY(datapath->load());
    return datapath;
}

Result<void> IptablesDatapath::load() {
    FSM_ASSIGN(auto known, records_.load());
    FSM_ASSIGN(const auto tracked, tracked_records_.load());
    if (known.empty() && tracked.empty()) {
        return {};
    }
    FSM_ASSIGN(const auto living, living_namespaces(options_.proc));
    for (auto& [cookie, addresses] : known) {
        if (living.contains(cookie)) {
            pods_[cookie].addresses = std::move(addresses);
        } else {
            FSM_TRY(records_.remove(cookie));
        }
    }
    for (const auto& [cookie, addresses] : tracked) {
        if (!living.contains(cookie)) {
            FSM_TRY(tracked_records_.remove(cookie));
        }
    }
    return {};
}

Result<bool> IptablesDatapath::has_left_rules(const IptablesOptions& options) {
    FSM_ASSIGN(const auto records, PodRecords::intercepted(options.run_directory).load());
    return !records.empty();
}

Result<void> IptablesDatapath::uninstall(const IptablesOptions& options) {
    const PodRecords records = PodRecords::intercepted(options.run_directory);
    const PodRecords tracked_records = PodRecords::tracked(options.run_directory);
    FSM_ASSIGN(auto pods, records.load());
    FSM_ASSIGN(auto tracked, tracked_records.load());
    pods.merge(tracked);
    const auto tools = pods.empty() ? std::vector<RuleTool>() : RuleTool::installed();
    std::string failures;
    const auto note = [&](const Result<void>& outcome) {
        if (!outcome) {
            failures += (failures.empty() ? "" : "; ") + outcome.error().message();
        }
    };
    const auto forget = [&](std::uint64_t cookie) -> Result<void> {
        FSM_TRY(records.remove(cookie));
        return tracked_records.remove(cookie);
    };
    const auto remove_from = [&](const Netns& netns) -> Result<void> {
        FSM_ASSIGN(const std::uint64_t cookie, netns.cookie());
        if (!pods.contains(cookie)) {
            return {};
        }
        if (tools.empty()) {
            return Error(netns.path() +
                         " has iptables rules of ours, but iptables is not installed");
        }
        FSM_TRY(run_in(netns, [&] { return cut_and_remove(tools); }));
        return forget(cookie);
    };
    if (!pods.empty()) {
        note(for_each_netns(options.proc, [&](const Netns& netns) { note(remove_from(netns)); }));
    }
    if (!failures.empty()) {
        return Error("remove the iptables rules: " + failures);
    }
    // The others' namespaces are gone, and the rules with them.
    for (const auto& [cookie, addresses] : pods) {
        FSM_TRY(forget(cookie));
    }
    FSM_TRY(tracked_records.remove_directory());
    return records.remove_directory();
}

Result<void> IptablesDatapath::remove_records(const IptablesOptions& options) {
    return PodRecords::intercepted(options.run_directory).remove_directory();
}

// ---- enrol -------------------------------------------------------------------------------------

std::optional<IptablesDatapath::Pod> IptablesDatapath::find(std::uint64_t netns_cookie) const {
    const std::lock_guard guard(mutex_);
    const auto found = pods_.find(netns_cookie);
    return found == pods_.end() ? std::nullopt : std::optional(found->second);
}

Result<EnrolledPod> IptablesDatapath::enrol(const Netns& netns, const PodEnrolment& enrolment) {
    const auto lock = pod_locks_.lock(enrolment.netns_cookie);
    auto enrolled = enrol_locked(netns, enrolment);
    ++(enrolled ? applied_ : failed_);
    return enrolled;
}

Result<EnrolledPod> IptablesDatapath::enrol_locked(const Netns& netns,
                                                   const PodEnrolment& enrolment) {
    const std::uint64_t cookie = enrolment.netns_cookie;
    if (cookie == 0) {
        return Error("the pod has no network namespace cookie", EINVAL);
    }
    FSM_TRY(refuse_user_namespace(netns));
    // Before the rules: a crash between the two leaves a record too many, not rules that nobody
    // knows.
    const auto before = find(cookie);
    FSM_TRY(records_.save(cookie, enrolment.addresses));
    Pod pod;
    auto programmed = run_in(netns, [&]() -> Result<void> {
        FSM_ASSIGN(pod, program(enrolment));
        return {};
    });
    if (!programmed) {
        const auto undone =
            before ? records_.save(cookie, before->addresses) : records_.remove(cookie);
        return std::move(programmed.error())
            .within(undone ? "make the iptables rules"
                           : undone.error().message() + "; make the iptables rules");
    }
    pod.whereabouts = {netns.path(), netns.identity()};
    forget_tracking_of(cookie);
    const EnrolledPod enrolled = describe(cookie, pod);
    const std::lock_guard guard(mutex_);
    pods_[cookie] = std::move(pod);
    return enrolled;
}

Result<IptablesDatapath::Pod> IptablesDatapath::program(const PodEnrolment& enrolment) const {
    Pod pod;
    pod.addresses = enrolment.addresses;
    pod.enrolment = enrolment;
    FSM_ASSIGN(const Rules before, read_both());
    FSM_ASSIGN(pod.ipv6, ipv6_directions(enrolment.policy, before.ipv6));
    const Rules wanted{
        or_tracking(render_rules(enrolment, Family::ipv4, {true, true}), before.ipv4),
        or_tracking(render_rules(enrolment, Family::ipv6, pod.ipv6), before.ipv6)};
    FSM_TRY(replace_both(before, wanted));
    // Of an earlier run with the other kind of iptables: both kinds would be asked.
    FSM_TRY(remove_with_all(chosen_.others));
    FSM_ASSIGN(pod.rules.ipv4, chosen_.tool.read(Family::ipv4));
    if (!before.ipv6.empty() || !wanted.ipv6.empty()) {
        FSM_ASSIGN(pod.rules.ipv6, chosen_.tool.read(Family::ipv6));
    }
    return pod;
}

Result<IptablesDatapath::Rules> IptablesDatapath::read_both() const {
    Rules rules;
    FSM_ASSIGN(rules.ipv4, chosen_.tool.read(Family::ipv4));
    FSM_ASSIGN(rules.ipv6, chosen_.tool.read(Family::ipv6));
    return rules;
}

// Each family in one transaction. When the second is refused, the first is put back.
Result<void> IptablesDatapath::replace_both(const Rules& before, const Rules& wanted) const {
    FSM_TRY(chosen_.tool.replace(Family::ipv4, before.ipv4, wanted.ipv4));
    if (before.ipv6.empty() && wanted.ipv6.empty()) {
        return {};
    }
    auto replaced = chosen_.tool.replace(Family::ipv6, before.ipv6, wanted.ipv6);
    if (replaced) {
        return {};
    }
    const auto undone = [&]() -> Result<void> {
        FSM_ASSIGN(const RuleSet present, chosen_.tool.read(Family::ipv4));
        return chosen_.tool.replace(Family::ipv4, present, before.ipv4);
    }();
    const std::string left = undone ? "" : "; and not undone: " + undone.error().message();
    return Error(replaced.error().message() + left, replaced.error().errno_value());
}

// ---- withdraw ----------------------------------------------------------------------------------

Result<void> IptablesDatapath::withdraw(std::uint64_t netns_cookie, const Netns* netns) {
    const auto lock = pod_locks_.lock(netns_cookie);
    if (!find(netns_cookie)) {
        return {};
    }
    if (netns != nullptr) {
        FSM_TRY(let_go_of(netns_cookie, *netns));
    }
    return forget_pod(netns_cookie);
}

Result<void> IptablesDatapath::forget_pod(std::uint64_t netns_cookie) {
    FSM_TRY(records_.remove(netns_cookie));
    ++removed_;
    const std::lock_guard guard(mutex_);
    pods_.erase(netns_cookie);
    return {};
}

Result<void> IptablesDatapath::let_go_of(std::uint64_t netns_cookie, const Netns& netns) {
    FSM_TRY(tracked_records_.save(netns_cookie, {}));
    FSM_TRY(run_in(netns, [&] { return leave_tracking(chosen_); }));
    const std::lock_guard guard(mutex_);
    tracked_[netns_cookie] = {netns.path(), netns.identity()};
    return {};
}

Result<void> IptablesDatapath::withdraw_and_cut(std::uint64_t netns_cookie, const Netns& netns) {
    const auto lock = pod_locks_.lock(netns_cookie);
    std::vector<RuleTool> tools = chosen_.others;
    tools.push_back(chosen_.tool);
    FSM_TRY(run_in(netns, [&] { return cut_and_remove(tools); }));
    forget_tracking_of(netns_cookie);
    return find(netns_cookie) ? forget_pod(netns_cookie) : Result<void>();
}

// A record that cannot be removed now is a record too many; it goes with the namespace.
void IptablesDatapath::forget_tracking_of(std::uint64_t netns_cookie) {
    if (tracked_records_.remove(netns_cookie)) {
        const std::lock_guard guard(mutex_);
        tracked_.erase(netns_cookie);
    }
}

// ---- check and sweep ---------------------------------------------------------------------------

Result<EnrolledPod> IptablesDatapath::check(const Netns& netns, std::uint64_t netns_cookie) const {
    const auto lock = pod_locks_.lock(netns_cookie);
    const auto pod = find(netns_cookie);
    if (!pod || !pod->enrolment) {
        return Error("the pod has no iptables rules of this process", ENOENT);
    }
    FSM_TRY(run_in(netns, [&]() -> Result<void> {
        FSM_ASSIGN(const Rules present, read_both());
        for (const auto& [wanted, found, family] :
             {std::tuple(pod->rules.ipv4, present.ipv4, Family::ipv4),
              std::tuple(pod->rules.ipv6, present.ipv6, Family::ipv6)}) {
            const std::string changed = difference(wanted, found);
            if (!changed.empty()) {
                return Error("in the nat table for " + std::string(to_string(family)) + " " +
                             changed);
            }
        }
        FSM_ASSIGN(const Directions ipv6, ipv6_directions(pod->enrolment->policy, present.ipv6));
        if (either(ipv6, pod->ipv6) != pod->ipv6) {
            return Error("the sidecar listens on IPv6, which is not intercepted yet");
        }
        return {};
    }));
    return describe(netns_cookie, *pod);
}

Result<void> IptablesDatapath::sweep() {
    std::map<std::uint64_t, Pod> waiting;
    {
        const std::lock_guard guard(mutex_);
        std::copy_if(pods_.begin(), pods_.end(), std::inserter(waiting, waiting.end()),
                     [](const auto& entry) { return waits_for_ipv6(entry.second); });
    }
    Failures failures;
    for (const auto& [cookie, pod] : waiting) {
        failures.note(follow_listeners(cookie, pod));
    }
    failures.note(forget_tracked());
    return failures.result();
}

// Those that are gone: most were let go because they were about to end.
Result<void> IptablesDatapath::forget_tracked() {
    std::map<std::uint64_t, Whereabouts> tracked;
    {
        const std::lock_guard guard(mutex_);
        tracked = tracked_;
    }
    for (const auto& [cookie, whereabouts] : tracked) {
        if (find_again(whereabouts)) {
            continue;
        }
        // A namespace that is gone is not let go once more: its record stays as it is.
        FSM_TRY(tracked_records_.remove(cookie));
        const std::lock_guard guard(mutex_);
        tracked_.erase(cookie);
    }
    return {};
}

bool IptablesDatapath::waits_for_ipv6(const Pod& pod) {
    return pod.enrolment && pod.enrolment->policy.ipv6 == Ipv6Mode::when_listening &&
           pod.ipv6 != Directions{true, true};
}

std::optional<Netns> IptablesDatapath::find_again(const Whereabouts& whereabouts) {
    auto netns = Netns::open(whereabouts.path);
    return netns && netns->identity() == whereabouts.identity ? std::optional(std::move(*netns))
                                                              : std::nullopt;
}

// A namespace that is gone is found by who watches the pods.
Result<void> IptablesDatapath::follow_listeners(std::uint64_t netns_cookie, const Pod& pod) {
    const auto netns = find_again(pod.whereabouts);
    if (!netns) {
        return {};
    }
    std::optional<Result<Directions>> listening;
    FSM_TRY(netns->run([&] { listening = listening_ipv6(pod.enrolment->policy); }));
    FSM_ASSIGN(const Directions now, std::move(*listening));
    if (either(now, pod.ipv6) == pod.ipv6) {
        return {};
    }
    const auto lock = pod_locks_.lock(netns_cookie);
    const auto current = find(netns_cookie);
    if (!current || !current->enrolment) {
        return {};  // withdrawn meanwhile
    }
    FSM_TRY(enrol_locked(*netns, *current->enrolment));
    return {};
}

// ---- what there is -----------------------------------------------------------------------------

EnrolledPod IptablesDatapath::describe(std::uint64_t netns_cookie, const Pod& pod) {
    EnrolledPod enrolled;
    enrolled.netns_cookie = netns_cookie;
    enrolled.addresses = pod.addresses;
    enrolled.inbound = InboundMechanism::iptables;
    enrolled.listeners.outbound6 = pod.ipv6.outbound;
    enrolled.listeners.inbound6 = pod.ipv6.inbound;
    return enrolled;
}

Result<std::vector<EnrolledPod>> IptablesDatapath::pods() const {
    const std::lock_guard guard(mutex_);
    std::vector<EnrolledPod> enrolled;
    std::transform(pods_.begin(), pods_.end(), std::back_inserter(enrolled),
                   [](const auto& entry) { return describe(entry.first, entry.second); });
    return enrolled;
}

Result<std::optional<EnrolledPod>> IptablesDatapath::pod(std::uint64_t netns_cookie) const {
    const std::lock_guard guard(mutex_);
    const auto found = pods_.find(netns_cookie);
    return found == pods_.end() ? std::optional<EnrolledPod>()
                                : std::optional(describe(netns_cookie, found->second));
}

Result<std::vector<DatapathMap>> IptablesDatapath::maps() const {
    return std::vector<DatapathMap>();
}

Result<std::vector<DatapathProgram>> IptablesDatapath::programs() const {
    return std::vector<DatapathProgram>();
}

Result<std::vector<CounterValue>> IptablesDatapath::counters() const {
    return std::vector<CounterValue>{
        {"iptables_applied", "Times that rules were made or replaced in a pod's network namespace",
         applied_},
        {"iptables_failed", "Times that this was refused", failed_},
        {"iptables_removed", "Times that a pod's rules were removed, or went with it", removed_},
    };
}

}  // namespace fsm
