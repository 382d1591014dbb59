#include "interceptor/datapath/policy.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/bpf/instance.h"

namespace fsm::test {
namespace {

TEST(PolicyEntries, NameTheListOfEachEntry) {
    InterceptionPolicy policy;
    policy.outbound.excluded_ports = {22};
    policy.outbound.included_ports = {80, 443};
    policy.inbound.excluded_ranges = {must(Cidr::parse("10.0.0.0/8"))};
    const PolicyEntries entries = policy_entries(7, policy);
    ASSERT_EQ(entries.ports.size(), 3U);
    EXPECT_EQ(entries.ports[0].list, FSM_OUT_EXCLUDE);
    EXPECT_EQ(entries.ports[0].port_be, htons(22));
    EXPECT_EQ(entries.ports[0].prefixlen, 64U);
    EXPECT_EQ(entries.ports[0].pod_id, 7U);
    EXPECT_EQ(entries.ports[1].list, FSM_OUT_INCLUDE);
    ASSERT_EQ(entries.ranges.size(), 1U);
    EXPECT_EQ(entries.ranges[0].list, static_cast<std::uint32_t>(FSM_IN_EXCLUDE));
    EXPECT_EQ(entries.ranges[0].pod_id, 7U);
    EXPECT_EQ(entries.ranges[0].prefixlen, 64U + 96U + 8U);
}

TEST(PolicyEntries, CostByRangeAndNotByPort) {
    InterceptionPolicy policy;
    policy.outbound.excluded_ports = PortSet::of({{1, 8887}, {8889, 65535}});
    EXPECT_LE(policy_entries(7, policy).ports.size(), 60U);
}

class PortMap : public testing::Test {
  protected:
    Instance instance;
    std::unique_ptr<Datapath> datapath = instance.open();
    BpfMap pinned_ports = instance.pinned("fsm_ports");
    BpfMap pinned_ranges = instance.pinned("fsm_ranges");
    PortsMap ports = must(PortsMap::of(pinned_ports));
    RangesMap ranges = must(RangesMap::of(pinned_ranges));

    // As port_listed() of bpf/policy.h asks.
    bool has(std::uint32_t pod_id, fsm_list list, std::uint16_t port) const {
        fsm_port_key key{};
        key.prefixlen = FSM_PORT_FIXED_BITS + 16;
        key.pod_id = pod_id;
        key.list = static_cast<__u16>(list);
        key.port_be = htons(port);
        return must(ports.lookup(key)).has_value();
    }
};

TEST_F(PortMap, HoldsTheRangesOfEachListAndPodAndNothingElse) {
    InterceptionPolicy policy;
    policy.outbound.excluded_ports = PortSet::of({{1, 8887}, {8889, 65535}});
    policy.inbound.included_ports = PortSet::of({{8000, 8080}});
    must(write_policy(ports, ranges, policy_entries(7, policy)));
    for (std::uint32_t number = 0; number <= 65535; ++number) {
        const auto port = static_cast<std::uint16_t>(number);
        ASSERT_EQ(has(7, FSM_OUT_EXCLUDE, port), policy.outbound.excluded_ports.contains(port))
            << port;
        ASSERT_EQ(has(7, FSM_IN_INCLUDE, port), policy.inbound.included_ports->contains(port))
            << port;
        ASSERT_FALSE(has(7, FSM_IN_EXCLUDE, port) || has(8, FSM_OUT_EXCLUDE, port)) << port;
    }
    must(purge_policies(ports, ranges, [](std::uint32_t pod_id) { return pod_id == 7; }));
    EXPECT_EQ(must(pinned_ports.count()), 0U);
}

TEST(PolicyEntries, KeepTheFamiliesApart) {
    InterceptionPolicy policy;
    policy.outbound.excluded_ranges = {Cidr::all_v6()};
    const PolicyEntries entries = policy_entries(7, policy);
    ASSERT_EQ(entries.ranges.size(), 1U);
    EXPECT_EQ(entries.ranges[0].list, std::uint32_t{FSM_OUT_EXCLUDE} | FSM_RANGE_IPV6);
    EXPECT_EQ(entries.ranges[0].prefixlen, 64U);
}

TEST(PodEntry, TellsAnEmptyInclusionListFromNone) {
    PodEnrolment enrolment;
    enrolment.policy.outbound.included_ports.emplace();
    const struct fsm_pod entry = pod_entry(enrolment, {});
    EXPECT_NE(entry.flags & FSM_POD_OUT_INCLUDE_PORTS, 0U);
    EXPECT_EQ(entry.flags & FSM_POD_IN_INCLUDE_PORTS, 0U);
    EXPECT_EQ(entry.flags & FSM_POD_OUT_INCLUDE_RANGES, 0U);
}

TEST(PodEntry, TakesTheFirstAddressOfEachFamily) {
    PodEnrolment enrolment;
    enrolment.addresses = {must(IpAddress::parse("fd00::1")), must(IpAddress::parse("10.1.2.3")),
                           must(IpAddress::parse("10.1.2.4"))};
    const struct fsm_pod entry = pod_entry(enrolment, {});
    EXPECT_EQ(entry.address4_be, enrolment.addresses[1].v4_network_order());
    EXPECT_EQ(reinterpret_cast<const unsigned char*>(entry.address6_be)[0], 0xfd);
}

TEST(PodEntry, CarriesIdentityScopeAndMode) {
    PodEnrolment enrolment;
    enrolment.policy.sidecar_uid = 1337;
    enrolment.policy.sidecar_gid = 1338;
    enrolment.policy.ipv6 = Ipv6Mode::always;
    enrolment.policy.own_source4 = must(IpAddress::parse("127.0.0.6"));
    enrolment.policy.outbound_port4 = 15001;
    const struct fsm_pod entry =
        pod_entry(enrolment, {5, InboundMechanism::tc, Acceleration::full});
    EXPECT_EQ(entry.pod_id, 5U);
    EXPECT_EQ(entry.sidecar_uid, 1337U);
    EXPECT_EQ(entry.sidecar_gid, 1338U);
    EXPECT_EQ(entry.scope, FSM_SCOPE_FULL);
    EXPECT_EQ(entry.ipv6, FSM_IPV6_ALWAYS);
    EXPECT_EQ(entry.own_source4_be, enrolment.policy.own_source4->v4_network_order());
    EXPECT_EQ(
        entry.flags & (FSM_POD_OUTBOUND | FSM_POD_INBOUND | FSM_POD_HAS_GID | FSM_POD_INBOUND_TC),
        static_cast<std::uint32_t>(FSM_POD_OUTBOUND | FSM_POD_HAS_GID | FSM_POD_INBOUND_TC));
}

}  // namespace
}  // namespace fsm::test
