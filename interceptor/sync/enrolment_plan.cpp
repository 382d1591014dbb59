#include "interceptor/sync/enrolment_plan.h"

#include <algorithm>

#include "interceptor/pod/ipv6_rule.h"
#include "interceptor/sync/user_namespace.h"

namespace fsm {

namespace {

bool contains(const std::vector<std::string>& list, const std::string& entry) {
    return std::find(list.begin(), list.end(), entry) != list.end();
}

void add_addresses(const NetnsView& view, PodEnrolment& enrolment) {
    for (const auto& entry : view.addresses) {
        auto& addresses = enrolment.addresses;
        if (std::find(addresses.begin(), addresses.end(), entry.address) == addresses.end()) {
            addresses.push_back(entry.address);
        }
    }
}

void add_link_locals(const std::vector<std::string>& excluded, const NetnsView& view,
                     PodEnrolment& enrolment) {
    for (const auto& entry : view.link_locals) {
        if (!contains(excluded, entry.interface)) {
            enrolment.link_locals.insert(entry.address);
        }
    }
}

// Socket hooks do not know the interface: exclude the network of an excluded interface.
void leave_out_interfaces(const std::vector<std::string>& excluded, const NetnsView& view,
                          PodEnrolment& enrolment) {
    for (const auto& interface : view.interfaces) {
        auto& list =
            contains(excluded, interface) ? enrolment.excluded_interfaces : enrolment.interfaces;
        list.push_back(interface);
    }
    for (const auto& entry : view.addresses) {
        if (contains(excluded, entry.interface)) {
            enrolment.policy.outbound.excluded_ranges.insert(entry.network);
            enrolment.policy.inbound.excluded_ranges.insert(entry.network);
        }
    }
}

void leave_out_broadcasts(const NetnsView& view, PodEnrolment& enrolment) {
    for (const auto& address : view.broadcasts) {
        enrolment.policy.outbound.excluded_ranges.insert(Cidr::host(address));
    }
}

void use_host_ids(const Netns& netns, const std::string& proc, EnrolmentPlan& plan) {
    InterceptionPolicy& policy = plan.enrolment.policy;
    auto uid = host_id(netns, proc, IdKind::user, policy.sidecar_uid);
    if (uid) {
        policy.sidecar_uid = *uid;
    } else {
        plan.provisional = true;
        plan.problems.push_back({PodProblem::Kind::other,
                                 "the sidecar's uid in the pod's user namespace is not known (" +
                                     uid.error().message() +
                                     "): its own traffic may be intercepted; asked again soon"});
    }
    if (!policy.sidecar_gid) {
        return;
    }
    auto gid = host_id(netns, proc, IdKind::group, *policy.sidecar_gid);
    if (gid) {
        policy.sidecar_gid = *gid;
    } else {
        plan.provisional = true;
        plan.problems.push_back({PodProblem::Kind::other,
                                 "the sidecar's gid in the pod's user namespace is not known (" +
                                     gid.error().message() + "); asked again soon"});
    }
}

}  // namespace

Result<EnrolmentPlan> plan_enrolment(const InMesh& decided, const Netns& netns,
                                     const NetnsView& view, const std::set<IpAddress>& given,
                                     const std::string& proc) {
    if (view.addresses.empty()) {
        return Error(
            "the network namespace has no address besides loopback and link-local ones; fsm-cni "
            "must come after the plugin that assigns the pod's addresses");
    }
    EnrolmentPlan plan;
    plan.enrolment.netns_cookie = view.cookie;
    plan.enrolment.policy = decided.policy;
    add_addresses(view, plan.enrolment);
    plan.enrolment.given = given;
    add_link_locals(decided.excluded_interfaces, view, plan.enrolment);
    leave_out_interfaces(decided.excluded_interfaces, view, plan.enrolment);
    leave_out_broadcasts(view, plan.enrolment);
    const Ipv6Decision ipv6 = decide_ipv6(decided, plan.enrolment.addresses);
    plan.enrolment.policy.ipv6 = ipv6.mode;
    if (!ipv6.note.empty()) {
        plan.notes.push_back(ipv6.note);
    }
    if (decided.user_namespace) {
        use_host_ids(netns, proc, plan);
    }
    return plan;
}

std::vector<PodProblem> missing_addresses(const std::vector<IpAddress>& promised,
                                          const NetnsView& view) {
    std::vector<PodProblem> problems;
    for (const auto& address : promised) {
        const bool there = std::any_of(view.addresses.begin(), view.addresses.end(),
                                       [&](const auto& entry) { return entry.address == address; });
        if (!there && !address.is_link_local() && !address.is_loopback()) {
            problems.push_back(
                {PodProblem::Kind::other, "prevResult names the address " + address.to_string() +
                                              ", which the network namespace does not have"});
        }
    }
    return problems;
}

}  // namespace fsm
