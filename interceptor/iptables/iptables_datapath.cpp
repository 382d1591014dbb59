#include "interceptor/iptables/iptables_datapath.h"

#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "common/failures.h"
#include "interceptor/interception/netns_scan.h"

namespace fsm {
namespace {

// xt_owner takes ids only from a process in the user namespace that owns the network namespace.
Result<void> refuse_user_namespace(const Netns& netns) {
    const Fd owner(ioctl(netns.fd().get(), NS_GET_USERNS));
    struct stat theirs {};
    struct stat ours {};
    if (!owner || fstat(owner.get(), &theirs) != 0 || stat("/proc/self/ns/user", &ours) != 0) {
        return {};  // before Linux 4.9, or hidden: left to the kernel's own check
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
    Failures failures;
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
                         " has iptables rules of an interceptor, but iptables is not installed");
        }
        FSM_TRY(NamespaceRules::cut_and_remove_by(tools, netns));
        return forget(cookie);
    };
    if (!pods.empty()) {
        failures.note(for_each_netns(
            options.proc, [&](const Netns& netns) { failures.note(remove_from(netns)); }));
    }
    FSM_TRY(failures.result("remove the iptables rules"));
    // The namespaces of the others no longer exist, and so do their rules.
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
    // Before the rules: a crash between the two leaves a record too many, not rules that no
    // record names.
    const auto before = find(cookie);
    FSM_TRY(records_.save(cookie, enrolment.addresses));
    auto made = rules_.make(netns, enrolment);
    if (!made) {
        const auto undone =
            before ? records_.save(cookie, before->addresses) : records_.remove(cookie);
        return std::move(made.error())
            .within(undone ? "make the iptables rules"
                           : undone.error().message() + "; make the iptables rules");
    }
    Pod pod{enrolment.addresses, enrolment, std::move(*made), {netns.path(), netns.identity()}};
    forget_tracking_of(cookie);
    const EnrolledPod enrolled = describe(cookie, pod);
    const std::lock_guard guard(mutex_);
    pods_[cookie] = std::move(pod);
    return enrolled;
}

// ---- withdraw ----------------------------------------------------------------------------------

Result<void> IptablesDatapath::withdraw(std::uint64_t netns_cookie, const Netns* netns) {
    const auto lock = pod_locks_.lock(netns_cookie);
    if (!find(netns_cookie)) {
        return {};
    }
    if (netns != nullptr) {
        FSM_TRY(release(netns_cookie, *netns));
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

Result<void> IptablesDatapath::release(std::uint64_t netns_cookie, const Netns& netns) {
    FSM_TRY(tracked_records_.save(netns_cookie, {}));
    FSM_TRY(rules_.leave_tracking(netns));
    const std::lock_guard guard(mutex_);
    tracked_[netns_cookie] = {netns.path(), netns.identity()};
    return {};
}

Result<void> IptablesDatapath::withdraw_and_cut(std::uint64_t netns_cookie, const Netns& netns) {
    const auto lock = pod_locks_.lock(netns_cookie);
    FSM_TRY(rules_.cut_and_remove(netns));
    forget_tracking_of(netns_cookie);
    return find(netns_cookie) ? forget_pod(netns_cookie) : Result<void>();
}

// A record that cannot be removed now is superfluous; it is removed with the namespace.
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
    FSM_TRY(rules_.check(netns, pod->enrolment->policy, pod->rules));
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

// Most of the pods whose namespaces have ended were released before.
Result<void> IptablesDatapath::forget_tracked() {
    std::map<std::uint64_t, NetnsLocation> tracked;
    {
        const std::lock_guard guard(mutex_);
        tracked = tracked_;
    }
    for (const auto& [cookie, location] : tracked) {
        if (find_again(location)) {
            continue;
        }
        // A namespace that no longer exists is not released again: its record stays as it is.
        FSM_TRY(tracked_records_.remove(cookie));
        const std::lock_guard guard(mutex_);
        tracked_.erase(cookie);
    }
    return {};
}

bool IptablesDatapath::waits_for_ipv6(const Pod& pod) {
    return pod.enrolment && pod.enrolment->policy.ipv6 == Ipv6Mode::when_listening &&
           pod.rules.ipv6_directions != Directions{true, true};
}

std::optional<Netns> IptablesDatapath::find_again(const NetnsLocation& location) {
    auto netns = Netns::open(location.path);
    return netns && netns->identity() == location.identity ? std::optional(std::move(*netns))
                                                           : std::nullopt;
}

// The reconciler detects a namespace that no longer exists.
Result<void> IptablesDatapath::follow_listeners(std::uint64_t netns_cookie, const Pod& pod) {
    const auto netns = find_again(pod.location);
    if (!netns) {
        return {};
    }
    FSM_ASSIGN(const bool lacking,
               NamespaceRules::lack_directions(*netns, pod.enrolment->policy, pod.rules));
    if (!lacking) {
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
    enrolled.listeners.outbound6 = pod.rules.ipv6_directions.outbound;
    enrolled.listeners.inbound6 = pod.rules.ipv6_directions.inbound;
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
