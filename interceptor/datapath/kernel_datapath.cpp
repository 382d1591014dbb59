#include "interceptor/datapath/kernel_datapath.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "interceptor/datapath/enrol_steps.h"
#include "interceptor/datapath/pod_check.h"
#include "interceptor/datapath/pod_withdrawal.h"
#include "interceptor/interception/netns_scan.h"

namespace fsm {
namespace {

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

// A sentence; empty: it can be used.
std::string obstacle_to(Feature feature, const KernelDatapath::Parts& parts,
                        const char* kernel_refuses) {
    if (parts.options.disabled_features.contains(feature)) {
        return disabled_reason(feature);
    }
    const FeatureSpec& spec = spec_of(feature);
    const bool loaded = std::all_of(
        spec.programs.begin(), spec.programs.end(),
        [&](const ProgramSpec& program) { return parts.loaded.programs.contains(program.name); });
    return loaded && parts.probe.*spec.works ? std::string() : kernel_refuses;
}

InboundObstacles inbound_obstacles(const KernelDatapath::Parts& parts) {
    return {obstacle_to(Feature::inbound_lookup, parts,
                        "this kernel does not take the sk_lookup programs (Linux 5.9)"),
            obstacle_to(Feature::inbound_tc, parts, "this kernel does not take the tc programs")};
}

}  // namespace

// ---- start -------------------------------------------------------------------------------------

KernelDatapath::KernelDatapath(Parts parts, const DatapathMaps& maps)
    : parts_(std::move(parts)),
      containers_(maps.containers),
      table_(maps.pods, maps.observed, maps.usage),
      policies_(maps.ports, maps.ranges),
      addresses_(maps.pod_ips, maps.addresses,
                 [this](std::uint64_t cookie) { return is_alive(cookie); }),
      listeners_(maps.listeners, parts_.options.proc),
      flows_(maps.flows),
      pod_parts_{table_,
                 policies_,
                 addresses_,
                 listeners_,
                 *parts_.inbound,
                 flows_,
                 inbound_obstacles(parts_),
                 {parts_.probe.order_and_flow_control, parts_.probe.automatic}},
      inventory_(pod_parts_, parts_.node, parts_.loaded),
      sweeper_(parts_.tree, flows_, policies_,
               [this](std::uint64_t cookie) { return withdraw_if_dead(cookie); }) {}

Result<std::unique_ptr<KernelDatapath>> KernelDatapath::create(Parts parts) {
    // Pointers to the maps, which stay valid when the parts are moved.
    FSM_ASSIGN(const DatapathMaps maps, DatapathMaps::of(parts.loaded.maps));
    std::unique_ptr<KernelDatapath> datapath(new KernelDatapath(std::move(parts), maps));
    FSM_TRY(datapath->learn_pods());
    const MapSet& own = datapath->parts_.loaded.process_maps;
    if (const auto ring = own.find("fsm_events"); ring != own.end()) {
        FSM_ASSIGN(datapath->events_, EventReader::open(ring->second));
    }
    if (datapath->parts_.options.program_statistics) {
        datapath->meter_ = std::make_unique<ProgramMeter>(datapath->parts_.loaded.maps);
        // Counted from here on. A failure is no reason not to intercept: each scrape tells it.
        static_cast<void>(datapath->meter_->read());
    }
    return datapath;
}

// Takes over the state of an earlier process, including lists that it had written for a pod but not
// yet switched to.
Result<void> KernelDatapath::learn_pods() {
    FSM_ASSIGN(const PodTable::Learned learned, table_.learn());
    FSM_TRY(policies_.learn(learned.lists));
    return addresses_.learn(learned.pods);
}

// A pod without a link is searched among the namespaces of the node.
bool KernelDatapath::is_alive(std::uint64_t netns_cookie) const {
    const InboundAttachment::Life life = parts_.inbound->life_of(netns_cookie);
    if (life != InboundAttachment::Life::unknown) {
        return life == InboundAttachment::Life::alive;
    }
    bool found = false;
    const auto scanned = for_each_netns(parts_.options.proc, [&](const Netns& netns) {
        const auto cookie = netns.cookie();
        found = found || (cookie && *cookie == netns_cookie);
    });
    return found || !scanned;  // if unknown, the address is not taken away
}

// ---- one pod -----------------------------------------------------------------------------------

Result<EnrolledPod> KernelDatapath::enrol(const Netns& netns, const PodEnrolment& enrolment) {
    FSM_TRY(validate(enrolment));
    const auto lock = pod_locks_.lock(enrolment.netns_cookie);
    FSM_ASSIGN(const struct fsm_pod entry, EnrolSteps(pod_parts_, netns, enrolment).run());
    return inventory_.describe(enrolment.netns_cookie, entry);
}

Result<EnrolledPod> KernelDatapath::check(const Netns& netns, std::uint64_t netns_cookie) const {
    const auto lock = pod_locks_.lock(netns_cookie);
    FSM_ASSIGN(const struct fsm_pod entry, check_pod(pod_parts_, netns, netns_cookie));
    return inventory_.describe(netns_cookie, entry);
}

Result<void> KernelDatapath::withdraw(std::uint64_t netns_cookie, const Netns* netns) {
    const auto lock = pod_locks_.lock(netns_cookie);
    return withdraw_pod(pod_parts_, netns_cookie, netns);
}

// Checks with the pod's lock held: a link that was just replaced looks like a dead one.
Result<void> KernelDatapath::withdraw_if_dead(std::uint64_t netns_cookie) {
    const auto lock = pod_locks_.lock(netns_cookie);
    return parts_.inbound->life_of(netns_cookie) == InboundAttachment::Life::dead
               ? withdraw_pod(pod_parts_, netns_cookie, nullptr)
               : Result<void>();
}

// ---- the whole node ----------------------------------------------------------------------------

std::vector<std::string> KernelDatapath::verify_node() {
    auto repaired = parts_.node.verify(parts_.loaded.maps, parts_.loaded.programs);
    const auto of_pods = parts_.inbound->verify_pins();
    repaired.insert(repaired.end(), of_pods.begin(), of_pods.end());
    return repaired;
}

}  // namespace fsm
