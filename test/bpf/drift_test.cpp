// check() compares the kernel's state of a pod with what enrol() made: every kind of change by
// other programs is detected, and repaired by enrol().
#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "bpf/abi.h"
#include "test/bpf/instance.h"
#include "test/bpf/pod_namespace.h"

namespace fsm::test {
namespace {

struct Damage {
    const char* name;
    InboundMechanism inbound;
    std::function<void(const Instance&, const PodNamespace&)> inflict;
    const char* complaint;
};

template <typename Key>
void remove_all(const Instance& instance, const char* map) {
    const BpfMap entries = instance.pinned(map);
    for (const Key& key : must(entries.keys<Key>())) {
        must(entries.remove(key));
    }
}

void change_entry(const Instance& instance, const PodNamespace& pod,
                  const std::function<void(struct fsm_pod&)>& change) {
    const BpfMap pods = instance.pinned("fsm_pods");
    auto entry = must(pods.lookup<std::uint64_t, struct fsm_pod>(pod.cookie()));
    change(*entry);
    must(pods.put(pod.cookie(), *entry));
}

const Damage kDamages[] = {
    {"Entry", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         remove_all<std::uint64_t>(instance, "fsm_pods");
     },
     "not enrolled"},
    {"EntrysContent", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace& pod) {
         change_entry(instance, pod, [](struct fsm_pod& entry) {
             entry.flags &= ~static_cast<std::uint32_t>(FSM_POD_INBOUND);
         });
     },
     "fsm_pods was changed"},
    {"SidecarsUid", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace& pod) {
         change_entry(instance, pod, [](struct fsm_pod& entry) { entry.sidecar_uid = 1000; });
     },
     "fsm_pods was changed"},
    {"OwnAddresses", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         remove_all<fsm_own_address>(instance, "fsm_addresses");
     },
     "10.98.1.2"},
    {"GivenAddress", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         remove_all<struct fsm_address>(instance, "fsm_pod_ips");
     },
     "10.98.1.2"},
    {"GivenAddressOfAnother", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         const BpfMap ips = instance.pinned("fsm_pod_ips");
         must(ips.put(must(ips.keys<struct fsm_address>()).front(), std::uint64_t{4711}));
     },
     "10.98.1.2"},
    {"Ports", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         remove_all<fsm_port_key>(instance, "fsm_ports");
     },
     "ports"},
    {"Ranges", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         remove_all<fsm_range_key>(instance, "fsm_ranges");
     },
     "ranges"},
    {"Usage", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         remove_all<std::uint64_t>(instance, "fsm_usage");
     },
     "fsm_usage"},
    {"Listeners", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         remove_all<fsm_listener_key>(instance, "fsm_listeners");
     },
     "not in the map of listeners"},
    {"OneListener", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         const BpfMap listeners = instance.pinned("fsm_listeners");
         must(listeners.remove(must(listeners.keys<fsm_listener_key>()).front()));
     },
     "not in the map of listeners"},
    {"Observations", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         remove_all<std::uint64_t>(instance, "fsm_observed");
     },
     "listeners is lost"},
    {"LookupLink", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         shell("bpftool link detach pinned " + instance.root() + "/pods/*/sk_lookup");
     },
     "sk_lookup is not attached"},
    {"LookupLinksPin", InboundMechanism::sk_lookup,
     [](const Instance& instance, const PodNamespace&) {
         shell("rm " + instance.root() + "/pods/*/sk_lookup");
     },
     "pin of the pod's sk_lookup"},
    {"IngressFilter", InboundMechanism::tc,
     [](const Instance&, const PodNamespace& pod) { pod.shell("tc filter del dev eth0 ingress"); },
     "ingress filter"},
    {"EgressFilter", InboundMechanism::tc,
     [](const Instance&, const PodNamespace& pod) { pod.shell("tc filter del dev eth0 egress"); },
     "egress filter"},
    {"Qdisc", InboundMechanism::tc,
     [](const Instance&, const PodNamespace& pod) { pod.shell("tc qdisc del dev eth0 clsact"); },
     "filter"},
    {"FiltersOfANewInterface", InboundMechanism::tc,
     [](const Instance&, const PodNamespace& pod) {
         pod.shell("ip link add eth1 type veth peer name eth2; ip link set eth1 up");
     },
     "filter of interface"},
};

class Drift : public testing::TestWithParam<Damage> {};

TEST_P(Drift, IsNoticedAndPutBack) {
    const Damage& damage = GetParam();
    const Instance instance;
    const PodNamespace pod("10.98.1.2");
    const auto datapath = instance.open();
    PodEnrolment enrolment = pod.enrolment();
    enrolment.interfaces.clear();
    enrolment.policy.inbound_mechanism = damage.inbound;
    enrolment.policy.outbound.excluded_ports = {22, 25};
    enrolment.policy.inbound.excluded_ranges = {must(Cidr::parse("10.0.0.0/8"))};
    must(datapath->enrol(pod.netns(), enrolment));
    const Fd inbound = pod.listen({"::", kInbound});
    const Fd outbound = pod.listen({"::", kOutbound});
    must(datapath->check(pod.netns(), pod.cookie()));

    damage.inflict(instance, pod);
    const auto checked = datapath->check(pod.netns(), pod.cookie());
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().message(), testing::HasSubstr(damage.complaint));

    must(datapath->enrol(pod.netns(), enrolment));
    const auto again = datapath->check(pod.netns(), pod.cookie());
    EXPECT_TRUE(again) << again.error().message();
    must(datapath->withdraw(pod.cookie(), &pod.netns()));
}

INSTANTIATE_TEST_SUITE_P(Of, Drift, testing::ValuesIn(kDamages),
                         [](const auto& damage) { return std::string(damage.param.name); });

// Without the bit, IPv6 would bypass a sidecar that is down for a moment.
TEST(DriftOfObservations, OfAListenerThatIsDownAreRememberedToo) {
    const Instance instance;
    const PodNamespace pod("10.98.1.2");
    const auto datapath = instance.open();
    must(datapath->enrol(pod.netns(), pod.enrolment()));
    pod.listen({"::", kInbound}).reset();
    must(datapath->enrol(pod.netns(), pod.enrolment()));
    remove_all<std::uint64_t>(instance, "fsm_observed");
    const EnrolledPod enrolled = must(datapath->enrol(pod.netns(), pod.enrolment()));
    EXPECT_TRUE(enrolled.listeners.inbound6);
}

}  // namespace
}  // namespace fsm::test
