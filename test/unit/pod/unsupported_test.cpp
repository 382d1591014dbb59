// Unsupported requests of a pod, and other containers with the sidecar's identity.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "test/unit/pod/pods.h"

namespace fsm::test {
namespace {

using fsm::testing::texts_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Request {
    const char* mesh;
    const char* name;
    const char* asks;
    const char* does_not;  // a value that asks for nothing
    bool environment;
    bool refused;
    const char* text;  // the message for its owner
};

const Request kRequests[] = {
    {"istio", "sidecar.istio.io/interceptionMode", "TPROXY", "REDIRECT", false, true,
     "Set sidecar.istio.io/interceptionMode to REDIRECT"},
    {"istio", "ISTIO_META_INTERCEPTION_MODE", "TPROXY", "REDIRECT", true, true, "to REDIRECT"},
    {"istio", "traffic.sidecar.istio.io/kubevirtInterfaces", "net1", "", false, true, "Remove the"},
    {"istio", "istio.io/reroute-virtual-interfaces", "net1", " ", false, true, "Remove the"},
    {"istio", "ISTIO_META_DNS_CAPTURE", "true", "false", true, false,
     "DNS queries are not redirected"},
    {"istio", "INVALID_DROP", "1", "0", true, false, "are not dropped"},
    {"istio", "ISTIO_OUTBOUND_OWNER_GROUPS", "java", "*", true, false, "by its group"},
    {"istio", "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", "202", "", true, false, "by its group"},
    {"kuma", "traffic.kuma.io/exclude-outbound-ports-for-uids", "tcp:22:1000", "", false, true,
     "for the whole pod"},
    {"kuma", "traffic.kuma.io/exclude-outbound-tcp-ports-for-uids", "22:1000", "", false, true,
     "for the whole pod"},
    {"kuma", "kuma.io/builtin-dns", "enabled", "disabled", false, false,
     "DNS queries are not redirected"},
    {"kuma", "traffic.kuma.io/drop-invalid-packets", "true", "false", false, false, "not dropped"},
    {"kuma", "traffic.kuma.io/iptables-logs", "true", "false", false, false, "nothing is logged"},
    {"kuma", "traffic.kuma.io/transparent-proxy-config", "redirect: {}", "", false, false,
     "is not read"},
    {"kuma", "traffic.kuma.io/transparent-proxy-configmap-name", "mine", "", false, false,
     "is not read"},
    {"custom", "EXAMPLE_DNS_CAPTURE", "true", "false", true, false, "DNS is not captured"},
};

Decision decide_with(const Request& request, const char* value) {
    Pod pod = meshed_pod(request.mesh);
    (request.environment ? pod.containers[1].environment : pod.annotations)[request.name] = value;
    return decide(profile_of(request.mesh), pod, {});
}

TEST(Unsupported, IsSaidOrRefusesThePodInWordsThatHelp) {
    for (const Request& request : kRequests) {
        SCOPED_TRACE(request.name);
        const Decision decision = decide_with(request, request.asks);
        const auto sentence =
            AllOf(HasSubstr(request.name), HasSubstr(request.asks), HasSubstr(request.text));
        if (request.refused) {
            EXPECT_THAT(refusal(decision), sentence);
        } else {
            in_mesh(decision);
            ASSERT_THAT(texts_of(decision.problems), ElementsAre(sentence));
            EXPECT_EQ(decision.problems.front().kind,
                      request.environment ? PodProblem::Kind::other : PodProblem::Kind::annotation);
        }
    }
}

TEST(Unsupported, IsNotAskedForByAValueThatSwitchesItOff) {
    for (const Request& request : kRequests) {
        SCOPED_TRACE(request.name);
        const Decision decision = decide_with(request, request.does_not);
        in_mesh(decision);
        EXPECT_THAT(decision.problems, IsEmpty());
    }
}

TEST(Unsupported, OnlyTheSidecarsEnvironmentCounts) {
    Pod pod = meshed_pod("istio");
    pod.containers[0].environment["ISTIO_META_DNS_CAPTURE"] = "true";
    EXPECT_THAT(decide(profile_of("istio"), pod, {}).problems, IsEmpty());
}

TEST(Unsupported, AnnotationsOfTheNamespaceCountWhereTheEntrySaysSo) {
    MeshProfile profile = profile_of("custom");
    Unsupported entry;
    entry.name = "example.org/magic";
    entry.text = "there is none";
    profile.unsupported = {entry};
    Pod pod = meshed_pod("custom");
    pod.namespace_annotations["example.org/magic"] = "on";
    EXPECT_THAT(decide(profile, pod, {}).problems, IsEmpty());
    profile.unsupported.front().inherited = true;
    EXPECT_THAT(texts_of(decide(profile, pod, {}).problems),
                ElementsAre(HasSubstr("there is none")));
    pod.annotations["example.org/magic"] = "";
    EXPECT_THAT(decide(profile, pod, {}).problems, IsEmpty()) << "the pod's own goes before";
}

// A new entry of a profile needs a row here.
TEST(Unsupported, EveryEntryOfEveryMeshIsTestedHere) {
    std::set<std::pair<std::string, std::string>> tested;
    for (const Request& request : kRequests) {
        tested.emplace(request.mesh, request.name);
    }
    for (const std::string& mesh : MeshProfile::builtin_names()) {
        for (const Unsupported& entry : profile_of(mesh).unsupported) {
            EXPECT_EQ(tested.count({mesh, entry.name}), 1U) << mesh << ": " << entry.name;
        }
    }
}

// ---- other containers with the sidecar's identity

TEST(SharedIdentity, OfAContainerBesideTheSidecarIsAProblem) {
    Pod pod = meshed_pod("istio");
    pod.containers[0].run_as_user = 1337;
    const Decision decision = decide(profile_of("istio"), pod, {});
    in_mesh(decision);
    EXPECT_THAT(texts_of(decision.problems),
                ElementsAre(AllOf(HasSubstr("container app has runAsUser 1337"),
                                  HasSubstr("bypass the sidecar"), HasSubstr("another one"))));
    pod.containers[0].run_as_user = 1000;
    EXPECT_THAT(decide(profile_of("istio"), pod, {}).problems, IsEmpty());
    pod.containers[0].run_as_group = 1337;
    EXPECT_THAT(texts_of(decide(profile_of("istio"), pod, {}).problems),
                ElementsAre(HasSubstr("runAsGroup 1337")));
}

TEST(SharedIdentity, IsThatWhichThePodsSidecarHas) {
    Pod pod = meshed_pod("kuma", {{"kuma.io/sidecar-uid", "6000"}});
    pod.containers[0].run_as_user = 5678;
    EXPECT_THAT(decide(profile_of("kuma"), pod, {}).problems, IsEmpty());
    pod.containers[0].run_as_user = 6000;
    EXPECT_THAT(texts_of(decide(profile_of("kuma"), pod, {}).problems),
                ElementsAre(HasSubstr("6000")));
}

TEST(SharedIdentity, OfAnInitContainerIsNotedBecauseSomeWantIt) {
    Pod pod = meshed_pod("istio");
    pod.containers.push_back(container("migrate", Container::Kind::init));
    pod.containers.back().run_as_user = 1337;
    const Decision decision = decide(profile_of("istio"), pod, {});
    EXPECT_THAT(decision.problems, IsEmpty());
    EXPECT_THAT(decision.notes,
                ElementsAre(HasSubstr("init container migrate has runAsUser 1337")));
}

TEST(SharedIdentity, OfTheMeshsOwnContainersIsItsDesign) {
    Pod pod = meshed_pod("istio");
    pod.containers.push_back(container("istio-validation", Container::Kind::init));
    pod.containers.back().run_as_user = 1337;
    const Decision decision = decide(profile_of("istio"), pod, {});
    EXPECT_THAT(decision.problems, IsEmpty());
    EXPECT_THAT(decision.notes, IsEmpty());
}

// ---- the limits of one pod

std::string odd_ports(int count) {
    std::string list;
    for (int index = 0; index < count; ++index) {
        list += std::to_string(2 * index + 1) + ",";
    }
    return list;
}

TEST(ListLimit, APodWithLongerListsIsRefusedWithTheAnnotationsName) {
    const auto decide_for = [](int count) {
        return decide(
            profile_of("linkerd"),
            meshed_pod("linkerd", {{"config.linkerd.io/skip-outbound-ports", odd_ports(count)}}),
            {});
    };
    in_mesh(decide_for(4000));
    EXPECT_THAT(refusal(decide_for(5000)),
                AllOf(HasSubstr("config.linkerd.io/skip-outbound-ports alone needs 5000"),
                      HasSubstr("may have 4096")));
}

TEST(ListLimit, CountsBothDirectionsAndRanges) {
    std::string ranges;
    for (int index = 0; index < 2000; ++index) {
        ranges += "10." + std::to_string(index / 256) + "." + std::to_string(index % 256) + ".1,";
    }
    const Texts annotations = {{"example.org/exclude-outbound-ranges", ranges},
                               {"example.org/exclude-outbound-ports", odd_ports(1500)},
                               {"example.org/exclude-inbound-ports", odd_ports(1000)}};
    EXPECT_THAT(refusal(decide(profile_of("custom"), meshed_pod("custom", annotations), {})),
                AllOf(HasSubstr("need 4500"), HasSubstr("exclude-outbound-ranges alone")));
}

TEST(ListLimit, AWideRangeIsFarFromIt) {
    in_mesh(decide(
        profile_of("linkerd"),
        meshed_pod("linkerd", {{"config.linkerd.io/skip-outbound-ports", "1-8887,8889-65535"}}),
        {}));
}

}  // namespace
}  // namespace fsm::test
