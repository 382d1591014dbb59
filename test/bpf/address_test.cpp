// The owner of an address: an address that the cluster has assigned to a pod stays its own while it
// lives, whatever addresses another pod has on its interfaces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <optional>

#include "bpf/abi.h"
#include "interceptor/datapath/policy.h"
#include "test/bpf/instance.h"
#include "test/bpf/pod_namespace.h"

namespace fsm::test {
namespace {

constexpr const char* kVictim = "10.98.1.2";
constexpr const char* kAttacker = "10.98.1.3";

class Addresses : public testing::Test {
  protected:
    Instance instance;
    std::unique_ptr<PodNamespace> victim = std::make_unique<PodNamespace>(kVictim);
    PodNamespace attacker{kAttacker};
    std::unique_ptr<Datapath> datapath = instance.open();

    std::optional<std::uint64_t> leads_to(const char* address) const {
        return must(instance.pinned("fsm_pod_ips")
                        .lookup<struct fsm_address, std::uint64_t>(
                            map_address(must(IpAddress::parse(address)))));
    }
    // The attacker, with the victim's address on one of its own interfaces.
    PodEnrolment attack() const {
        PodEnrolment enrolment = attacker.enrolment();
        enrolment.addresses.push_back(must(IpAddress::parse(kVictim)));
        return enrolment;
    }
};

TEST_F(Addresses, OfALivingPodAreNotTakenByOneThatPutsThemOnItsInterfaces) {
    must(datapath->enrol(victim->netns(), victim->enrolment()));
    const EnrolledPod enrolled = must(datapath->enrol(attacker.netns(), attack()));
    EXPECT_EQ(leads_to(kVictim), victim->cookie());
    EXPECT_THAT(enrolled.conflicts, testing::ElementsAre(AddressConflict{
                                        must(IpAddress::parse(kVictim)), victim->cookie()}));
    EXPECT_THAT(must(datapath->check(victim->netns(), victim->cookie())).conflicts,
                testing::IsEmpty());
    must(datapath->enrol(attacker.netns(), attacker.enrolment()));
    EXPECT_EQ(leads_to(kVictim), victim->cookie()) << "and nothing is lost when it is dropped";
    must(datapath->withdraw(attacker.cookie(), &attacker.netns()));
    EXPECT_EQ(leads_to(kVictim), victim->cookie());
    must(datapath->check(victim->netns(), victim->cookie()));
}

TEST_F(Addresses, ThatAPodHasTakenByItselfLeadNowhere) {
    must(datapath->enrol(attacker.netns(), attack()));
    EXPECT_EQ(leads_to(kVictim), std::nullopt);
    const EnrolledPod enrolled = must(datapath->enrol(victim->netns(), victim->enrolment()));
    EXPECT_THAT(enrolled.conflicts, testing::IsEmpty());
    EXPECT_EQ(leads_to(kVictim), victim->cookie());
    EXPECT_EQ(must(datapath->check(attacker.netns(), attacker.cookie())).conflicts.size(), 1U);
}

TEST_F(Addresses, ThatTheClusterGivesTwiceStayTheFirstOnes) {
    PodEnrolment second = attack();
    second.given.insert(must(IpAddress::parse(kVictim)));
    must(datapath->enrol(victim->netns(), victim->enrolment()));
    EXPECT_EQ(must(datapath->enrol(attacker.netns(), second)).conflicts.size(), 1U);
    EXPECT_EQ(leads_to(kVictim), victim->cookie());
    must(datapath->check(attacker.netns(), attacker.cookie()));
    must(datapath->withdraw(victim->cookie(), &victim->netns()));
    const auto checked = datapath->check(attacker.netns(), attacker.cookie());
    ASSERT_FALSE(checked) << "it is free now";
    EXPECT_THAT(checked.error().message(), testing::HasSubstr(kVictim));
    must(datapath->enrol(attacker.netns(), second));
    EXPECT_EQ(leads_to(kVictim), attacker.cookie());
}

TEST_F(Addresses, OfAPodThatHasGoneWithoutAWordAreItsSuccessors) {
    for (const auto mechanism : {InboundMechanism::sk_lookup, InboundMechanism::tc}) {
        auto dying = std::make_unique<PodNamespace>("10.98.1.7");
        PodEnrolment enrolment = dying->enrolment();
        enrolment.policy.inbound_mechanism = mechanism;
        must(datapath->enrol(dying->netns(), enrolment));
        dying.reset();
        const PodNamespace next("10.98.1.7");
        std::vector<AddressConflict> conflicts;
        for (int tries = 0; tries < 50; ++tries) {  // a namespace takes its time to end
            conflicts = must(datapath->enrol(next.netns(), next.enrolment())).conflicts;
            if (conflicts.empty()) {
                break;
            }
            shell("sleep 0.1");
        }
        EXPECT_THAT(conflicts, testing::IsEmpty()) << to_string(mechanism);
        EXPECT_EQ(leads_to("10.98.1.7"), next.cookie());
        must(datapath->withdraw(next.cookie(), &next.netns()));
    }
}

TEST_F(Addresses, StayGivenWhereTheClusterIsNotHeard) {
    must(datapath->enrol(victim->netns(), victim->enrolment()));
    datapath.reset();
    datapath = instance.open();
    PodEnrolment silent = victim->enrolment();
    silent.given.clear();
    must(datapath->enrol(victim->netns(), silent));
    EXPECT_EQ(leads_to(kVictim), victim->cookie());
    silent.addresses = {must(IpAddress::parse("10.98.1.9"))};
    must(datapath->enrol(victim->netns(), silent));
    EXPECT_EQ(leads_to(kVictim), std::nullopt) << "the pod has it no longer";
}

// The namespace in which a connection arrives decides about its sidecar, even if two pods have the
// same address and the cluster has assigned it to neither.
class OneAddressTwice : public testing::TestWithParam<InboundMechanism> {};

TEST_P(OneAddressTwice, IsInterceptedInBothPods) {
    const Instance instance;
    const auto datapath = instance.open();
    const PodNamespace first("172.17.0.1");
    const PodNamespace second("172.17.0.1");
    std::vector<Fd> sidecars;
    for (const PodNamespace* pod : {&first, &second}) {
        PodEnrolment enrolment = pod->enrolment();
        enrolment.given.clear();
        enrolment.interfaces.clear();
        enrolment.policy.inbound_mechanism = GetParam();
        const PodNamespace client("10.98.9.9");
        connect_namespaces(client, *pod);
        must(datapath->enrol(pod->netns(), enrolment));
        EXPECT_EQ(client.connect("10.99.0.2", 8080), ECONNREFUSED) << "no sidecar listens yet";
        sidecars.push_back(pod->listen({"0.0.0.0", kInbound}));
        EXPECT_EQ(client.connect("10.99.0.2", 8080), 0);
        const Fd& own = sidecars.back();
        pod->run([&] {
            const Fd accepted(accept4(own.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            EXPECT_TRUE(accepted) << "its own sidecar took the connection";
        });
    }
}

INSTANTIATE_TEST_SUITE_P(ByEachMechanism, OneAddressTwice,
                         testing::Values(InboundMechanism::sk_lookup, InboundMechanism::tc),
                         [](const auto& mechanism) {
                             return std::string(to_string(mechanism.param));
                         });

}  // namespace
}  // namespace fsm::test
