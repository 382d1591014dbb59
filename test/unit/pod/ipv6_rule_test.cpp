// Whether a mesh intercepts the IPv6 traffic of a pod with these addresses.
#include "interceptor/pod/ipv6_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/pod/pods.h"

namespace fsm::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<IpAddress> addresses(std::initializer_list<const char*> texts) {
    std::vector<IpAddress> result;
    for (const char* text : texts) {
        result.push_back(*IpAddress::parse(text));
    }
    return result;
}

InMesh istio_pod(const char* dual_stack = nullptr) {
    Pod pod = meshed_pod("istio");
    if (dual_stack != nullptr) {
        pod.containers[1].environment["ISTIO_DUAL_STACK"] = dual_stack;
    }
    return in_mesh(decide(profile_of("istio"), pod, {}));
}

TEST(Ipv6Rule, AnIpv6OnlyPodOfIstioIsIntercepted) {
    const Ipv6Decision decision = decide_ipv6(istio_pod(), addresses({"fd00::2"}));
    EXPECT_EQ(decision.mode, Ipv6Mode::always);
    EXPECT_EQ(decision.note, "");
}

TEST(Ipv6Rule, ADualStackPodOfIstioPassesWithANote) {
    // The CNI may list IPv6 first; the kernel still lists IPv4 first.
    for (const auto& each :
         {addresses({"10.0.0.2", "fd00::2"}), addresses({"fd00::2", "10.0.0.2"})}) {
        const Ipv6Decision decision = decide_ipv6(istio_pod(), each);
        EXPECT_EQ(decision.mode, Ipv6Mode::never);
        EXPECT_THAT(decision.note, AllOf(HasSubstr("IPv6 traffic passes the sidecar"),
                                         HasSubstr("ISTIO_DUAL_STACK")));
    }
}

TEST(Ipv6Rule, TheVariableMakesAnyAddressCount) {
    for (const char* value : {"true", "1", "t", "TRUE"}) {
        EXPECT_EQ(decide_ipv6(istio_pod(value), addresses({"10.0.0.2", "fd00::2"})).mode,
                  Ipv6Mode::always);
    }
    EXPECT_EQ(decide_ipv6(istio_pod("false"), addresses({"10.0.0.2", "fd00::2"})).mode,
              Ipv6Mode::never);
}

TEST(Ipv6Rule, WithoutIpv6ThereIsNothingToSay) {
    for (const char* value : {"true", "false"}) {
        const Ipv6Decision decision = decide_ipv6(istio_pod(value), addresses({"10.0.0.2"}));
        EXPECT_EQ(decision.mode, Ipv6Mode::never);
        EXPECT_EQ(decision.note, "");
    }
}

TEST(Ipv6Rule, OtherMeshesDoNotAskForTheAddresses) {
    const InMesh fsm = in_mesh(decide(profile_of("fsm"), meshed_pod("fsm"), {}));
    EXPECT_EQ(decide_ipv6(fsm, addresses({"fd00::2"})).mode, Ipv6Mode::when_listening);
    const InMesh kuma = in_mesh(
        decide(profile_of("kuma"),
               meshed_pod("kuma", {{"kuma.io/transparent-proxying-ip-family-mode", "ipv4"}}), {}));
    EXPECT_EQ(decide_ipv6(kuma, addresses({"fd00::2"})).mode, Ipv6Mode::never);
}

TEST(Ipv6Rule, AnAnnotationThatSwitchesIpv6OffGoesBeforeTheAddresses) {
    MeshProfile profile = profile_of("istio");
    AnnotationRule rule;
    rule.name = "example.org/family";
    rule.kind = AnnotationKind::ipv6;
    rule.enabled = {"both"};
    rule.disabled = {"ipv4"};
    profile.annotations.push_back(rule);
    Pod pod = meshed_pod("istio", {{"example.org/family", "ipv4"}});
    EXPECT_EQ(decide_ipv6(in_mesh(decide(profile, pod, {})), addresses({"fd00::2"})).mode,
              Ipv6Mode::never);
}

}  // namespace
}  // namespace fsm::test
