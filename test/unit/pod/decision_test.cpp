// Which pods are in the mesh, and the policy from the profile, the pod and the node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "test/unit/pod/pods.h"

namespace fsm::test {
namespace {

using ::testing::HasSubstr;
using Ports = PortSet;

Cidr cidr(const char* text) {
    return *Cidr::parse(text);
}

struct MembershipCase {
    const char* description;
    const char* mesh;
    std::function<void(Pod&)> change;
    const char* reason;  // part of the reason for not being in the mesh; nullptr: it is in the mesh
};

const MembershipCase kMembership[] = {
    {"FSM's sidecar", "fsm", [](Pod&) {}, nullptr},
    {"FSM's sidecar by its uid, without the label", "fsm",
     [](Pod& pod) {
         pod.labels.clear();
         pod.containers[1].run_as_user = 1500;
     },
     nullptr},
    {"a hand-written sidecar of FSM that the annotation names", "fsm",
     [](Pod& pod) {
         pod.labels.clear();
         pod.annotations["flomesh.io/sidecar-injection"] = "enabled";
     },
     nullptr},
    {"kube-dns, whose container is called like FSM's sidecar", "fsm",
     [](Pod& pod) {
         pod.labels = {{"k8s-app", "kube-dns"}};
         pod.containers = {container("kubedns"), container("dnsmasq"), container("sidecar")};
         pod.containers[2].run_as_user = 1001;
     },
     "is not known to be the mesh's sidecar: it has none of label fsm-proxy-uuid"},
    {"a container of Linkerd's name without anything of its injector", "linkerd",
     [](Pod& pod) { pod.labels.clear(); }, "linkerd.io/control-plane-ns"},
    {"host network", "fsm", [](Pod& pod) { pod.host_network = true; }, "network of the host"},
    {"no sidecar", "fsm", [](Pod& pod) { pod.containers.pop_back(); }, "container named sidecar"},
    {"no container at all", "fsm", [](Pod& pod) { pod.containers.clear(); }, "container named"},
    {"a native sidecar", "fsm",
     [](Pod& pod) { pod.containers[1].kind = Container::Kind::native_sidecar; }, nullptr},
    {"an init container of the sidecar's name", "fsm",
     [](Pod& pod) { pod.containers[1].kind = Container::Kind::init; }, "container named sidecar"},
    {"an init container beside the sidecar of its name", "fsm",
     [](Pod& pod) {
         pod.containers.insert(pod.containers.begin(), container("sidecar", Container::Kind::init));
     },
     nullptr},
    {"another mesh's sidecar", "fsm", [](Pod& pod) { pod.containers[1].name = "istio-proxy"; },
     "container named sidecar"},
    {"the name of the sidecar in capitals", "fsm",
     [](Pod& pod) { pod.containers[1].name = "Sidecar"; }, "container named sidecar"},
    {"FSM's own iptables rules", "fsm",
     [](Pod& pod) { pod.containers.push_back(container("fsm-init", Container::Kind::init)); },
     "fsm-init"},
    {"Istio's sidecar", "istio", [](Pod&) {}, nullptr},
    {"Istio's sidecar as a native one", "istio",
     [](Pod& pod) { pod.containers[1].kind = Container::Kind::native_sidecar; }, nullptr},
    {"Istio's own iptables rules", "istio",
     [](Pod& pod) { pod.containers.push_back(container("istio-init", Container::Kind::init)); },
     "istio-init"},
    {"Istio's validation container is not its init container", "istio",
     [](Pod& pod) {
         pod.containers.push_back(container("istio-validation", Container::Kind::init));
     },
     nullptr},
    {"no status of Istio's injector", "istio",
     [](Pod& pod) { pod.annotations.erase("sidecar.istio.io/status"); },
     "no annotation sidecar.istio.io/status"},
    {"DISABLE_ENVOY", "istio",
     [](Pod& pod) { pod.containers[1].environment["DISABLE_ENVOY"] = "true"; }, "DISABLE_ENVOY"},
    {"DISABLE_ENVOY in another spelling", "istio",
     [](Pod& pod) { pod.containers[1].environment["DISABLE_ENVOY"] = "TRUE"; }, "DISABLE_ENVOY"},
    {"DISABLE_ENVOY=false", "istio",
     [](Pod& pod) { pod.containers[1].environment["DISABLE_ENVOY"] = "false"; }, nullptr},
    {"DISABLE_ENVOY of the application", "istio",
     [](Pod& pod) { pod.containers[0].environment["DISABLE_ENVOY"] = "true"; }, nullptr},
    {"an Istio gateway", "istio",
     [](Pod& pod) {
         pod.containers[1].arguments = {"proxy", "router"};
     },
     "router"},
    {"an Istio sidecar's arguments", "istio",
     [](Pod& pod) {
         pod.containers[1].arguments = {"proxy", "sidecar"};
     },
     nullptr},
    {"Linkerd's sidecar", "linkerd", [](Pod&) {}, nullptr},
    {"Linkerd's own iptables rules", "linkerd",
     [](Pod& pod) { pod.containers.push_back(container("linkerd-init", Container::Kind::init)); },
     "linkerd-init"},
    {"Kuma's sidecar", "kuma", [](Pod&) {}, nullptr},
    {"Kuma's own iptables rules", "kuma",
     [](Pod& pod) { pod.containers.push_back(container("kuma-init", Container::Kind::init)); },
     "kuma-init"},
    {"no status of Kuma's injector", "kuma",
     [](Pod& pod) { pod.annotations.erase("kuma.io/sidecar-injected"); },
     "no annotation kuma.io/sidecar-injected"},
};

TEST(Decide, APodWithoutASidecarMayBeInTheMeshAllTheSame) {
    const MeshProfile profile = profile_of("istio");
    Pod pod = meshed_pod("istio");
    pod.labels["istio.io/dataplane-mode"] = "ambient";
    EXPECT_TRUE(std::holds_alternative<InMesh>(decide(profile, pod, {}).verdict))
        << "it has a sidecar";
    pod.containers.pop_back();
    const Decision decision = decide(profile, pod, {});
    const auto* sidecarless = std::get_if<Sidecarless>(&decision.verdict);
    ASSERT_NE(sidecarless, nullptr);
    EXPECT_THAT(sidecarless->reason, HasSubstr("istio.io/dataplane-mode says ambient"));
    EXPECT_FALSE(needs_interception(decision));
    pod.labels["istio.io/dataplane-mode"] = "none";
    EXPECT_THAT(reason_outside(decide(profile, pod, {})), HasSubstr("container named istio-proxy"));
}

TEST(Decide, WhichPodsAreInTheMesh) {
    for (const MembershipCase& each : kMembership) {
        SCOPED_TRACE(each.description);
        Pod pod = meshed_pod(each.mesh);
        each.change(pod);
        const Decision decision = decide(profile_of(each.mesh), pod, {});
        if (each.reason == nullptr) {
            EXPECT_EQ(reason_outside(decision), "");
        } else {
            EXPECT_THAT(reason_outside(decision), HasSubstr(each.reason));
        }
        EXPECT_TRUE(decision.problems.empty());
    }
}

TEST(Decide, LabelsAndAnnotationsThatAProfileAsksForOrExempts) {
    MeshProfile profile = profile_of("fsm");
    profile.required_labels = {"wanted"};
    Pod pod = meshed_pod("fsm");
    EXPECT_THAT(reason_outside(decide(profile, pod, {})), HasSubstr("no label wanted"));
    pod.labels["wanted"] = "";
    EXPECT_EQ(reason_outside(decide(profile, pod, {})), "");
    profile.exempting_labels = {"leave-me"};
    pod.labels["leave-me"] = "alone";
    EXPECT_THAT(reason_outside(decide(profile, pod, {})), HasSubstr("label leave-me"));
    pod.labels.erase("leave-me");
    profile.exempting_annotations = {"leave-me"};
    pod.annotations["leave-me"] = "alone";
    EXPECT_THAT(reason_outside(decide(profile, pod, {})), HasSubstr("annotation leave-me"));
}

TEST(Decide, PolicyOfFsm) {
    const InMesh result = in_mesh(decide(profile_of("fsm"), meshed_pod("fsm"), {}));
    InterceptionPolicy expected;
    expected.sidecar_uid = 1500;
    expected.outbound_port4 = expected.outbound_port6 = 15001;
    expected.inbound_port4 = expected.inbound_port6 = 15003;
    expected.outbound.excluded_ports = {15000};
    expected.inbound.excluded_ports = {15010, 15901, 15902, 15903, 15904};
    expected.own_source4 = *IpAddress::parse("127.0.0.6");
    expected.own_source6 = *IpAddress::parse("::6");
    expected.own_source_reaches_pod_address = false;
    expected.ipv6 = Ipv6Mode::when_listening;
    expected.sidecar_reads_safely = true;
    EXPECT_EQ(result.policy, expected);
    EXPECT_TRUE(result.excluded_interfaces.empty());
    EXPECT_FALSE(result.user_namespace);
}

TEST(Decide, PolicyOfIstio) {
    const InMesh result = in_mesh(decide(profile_of("istio"), meshed_pod("istio"), {}));
    InterceptionPolicy expected;
    expected.sidecar_uid = 1337;
    expected.sidecar_gid = 1337;
    expected.outbound_port4 = expected.outbound_port6 = 15001;
    expected.inbound_port4 = expected.inbound_port6 = 15006;
    expected.inbound.excluded_ports = {15008, 15020, 15021, 15090};
    expected.outbound_inclusion = InclusionRule::any_list;
    expected.own_source4 = *IpAddress::parse("127.0.0.6");
    expected.own_source6 = *IpAddress::parse("::6");
    expected.own_source_reaches_pod_address = true;
    expected.self_call_exempt_port = 15008;
    expected.ipv6 = Ipv6Mode::never;
    expected.sidecar_reads_safely = true;
    EXPECT_EQ(result.policy, expected);
}

TEST(Decide, PolicyOfLinkerd) {
    const InMesh result = in_mesh(decide(profile_of("linkerd"), meshed_pod("linkerd"), {}));
    InterceptionPolicy expected;
    expected.sidecar_uid = 2102;
    expected.outbound_port4 = expected.outbound_port6 = 4140;
    expected.inbound_port4 = expected.inbound_port6 = 4143;
    expected.outbound.excluded_ports = {4567, 4568};
    expected.inbound.excluded_ports = {4190, 4191, 4567, 4568};
    expected.sidecar_reads_safely = false;  // tokio's way of reading: docs/acceleration.md
    EXPECT_EQ(result.policy, expected);
}

TEST(Decide, PolicyOfKuma) {
    const InMesh result = in_mesh(decide(profile_of("kuma"), meshed_pod("kuma"), {}));
    InterceptionPolicy expected;
    expected.sidecar_uid = 5678;
    expected.sidecar_gid = 5678;
    expected.outbound_port4 = expected.outbound_port6 = 15001;
    expected.inbound_port4 = 15006;
    expected.inbound_port6 = 15010;
    expected.inbound.excluded_ports = {22, 15008};
    expected.own_source4 = *IpAddress::parse("127.0.0.6");
    expected.own_source6 = *IpAddress::parse("::6");
    expected.own_source_reaches_pod_address = true;
    expected.sidecar_reads_safely = true;
    EXPECT_EQ(result.policy, expected);
}

TEST(Decide, ACustomSidecarIsNotTakenForSafe) {
    const InMesh result = in_mesh(decide(profile_of("custom"), meshed_pod("custom"), {}));
    EXPECT_FALSE(result.policy.sidecar_reads_safely);
}

TEST(Decide, ContainerIdentityWinsWhereTheProfileSaysSo) {
    Pod pod = meshed_pod("istio");
    pod.containers[1].run_as_user = 2000;
    pod.containers[1].run_as_group = 2001;
    const Decision decision = decide(profile_of("istio"), pod, {});
    EXPECT_EQ(in_mesh(decision).policy.sidecar_uid, 2000U);
    EXPECT_EQ(in_mesh(decision).policy.sidecar_gid, 2001U);
    EXPECT_TRUE(decision.problems.empty());
}

TEST(Decide, ASidecarWhoseIdentityTheMeshDoesNotKnowIsRefused) {
    Pod pod = meshed_pod("fsm");
    pod.containers[1].run_as_user = 1500;
    EXPECT_EQ(in_mesh(decide(profile_of("fsm"), pod, {})).policy.sidecar_uid, 1500U);
    pod.containers[1].run_as_user = 1501;
    const std::string reason = refusal(decide(profile_of("fsm"), pod, {}));
    EXPECT_THAT(reason, HasSubstr("container sidecar runs as uid 1501"));
    EXPECT_THAT(reason, HasSubstr("set its runAsUser to 1500"));
}

TEST(Decide, AnAnnotationThatNamesTheSidecarsIdentityIsBelieved) {
    Pod pod = meshed_pod("kuma", {{"kuma.io/sidecar-uid", "6000"}});
    pod.containers[1].run_as_user = 6000;
    const Decision decision = decide(profile_of("kuma"), pod, {});
    EXPECT_EQ(in_mesh(decision).policy.sidecar_uid, 6000U);
    EXPECT_TRUE(decision.problems.empty());
}

TEST(Decide, ASidecarThatIsKnownByItsGroupMayHaveAnotherUid) {
    Pod pod = meshed_pod("kuma");
    pod.containers[1].run_as_user = 6000;
    EXPECT_THAT(refusal(decide(profile_of("kuma"), pod, {})), HasSubstr("uid 6000"));
    pod.containers[1].run_as_group = 5678;
    EXPECT_EQ(refusal(decide(profile_of("kuma"), pod, {})), "");
}

TEST(Decide, ASidecarThatRunsAsRootIsRefused) {
    Pod pod = meshed_pod("istio");
    pod.containers[1].run_as_user = 0;
    EXPECT_THAT(refusal(decide(profile_of("istio"), pod, {})), HasSubstr("uid 0"));
    EXPECT_THAT(refusal(decide(profile_of("linkerd"),
                               meshed_pod("linkerd", {{"config.linkerd.io/proxy-uid", "0"}}), {})),
                HasSubstr("uid 0"));
}

TEST(Decide, AnExcludedNamespaceIsOutsideTheMesh) {
    NodeDefaults node;
    node.excluded_namespaces = {"kube-system"};
    Pod pod = meshed_pod("fsm");
    EXPECT_EQ(reason_outside(decide(profile_of("fsm"), pod, node)), "");
    pod.name.pod_namespace = "kube-system";
    EXPECT_THAT(reason_outside(decide(profile_of("fsm"), pod, node)),
                HasSubstr("cni.excludeNamespaces"));
}

TEST(Decide, UserNamespaceIsHandedOn) {
    Pod pod = meshed_pod("fsm");
    pod.user_namespace = true;
    const Decision decision = decide(profile_of("fsm"), pod, {});
    EXPECT_TRUE(in_mesh(decision).user_namespace);
    EXPECT_EQ(in_mesh(decision).policy.sidecar_uid, 1500U);
}

TEST(Decide, ListsOfNodeAndPodAreUnited) {
    NodeDefaults node;
    node.outbound.excluded_ports = {1};
    node.outbound.excluded_ranges = {cidr("10.0.0.0/8")};
    node.outbound.included_ranges = {cidr("172.16.0.0/12")};
    node.inbound.excluded_ports = {2};
    node.inbound.excluded_ranges = {cidr("10.9.0.0/16")};
    node.inbound.included_ranges = {cidr("10.0.0.0/8")};
    node.excluded_interfaces = {"net1"};
    const Pod pod =
        meshed_pod("fsm", {{"flomesh.io/outbound-port-exclusion-list", "3"},
                           {"flomesh.io/inbound-port-exclusion-list", "4"},
                           {"flomesh.io/outbound-ip-range-exclusion-list", "10.1.0.0/16"},
                           {"flomesh.io/outbound-ip-range-inclusion-list", "192.168.0.0/16"}});
    const InMesh result = in_mesh(decide(profile_of("fsm"), pod, node));
    EXPECT_EQ(result.policy.outbound.excluded_ports, (Ports{1, 3, 15000}));
    EXPECT_EQ(result.policy.inbound.excluded_ports,
              (Ports{2, 4, 15010, 15901, 15902, 15903, 15904}));
    EXPECT_EQ(result.policy.outbound.excluded_ranges,
              (std::set{cidr("10.0.0.0/8"), cidr("10.1.0.0/16")}));
    EXPECT_EQ(result.policy.outbound.included_ranges,
              (std::set{cidr("172.16.0.0/12"), cidr("192.168.0.0/16")}));
    EXPECT_EQ(result.policy.inbound.excluded_ranges, (std::set{cidr("10.9.0.0/16")}));
    EXPECT_EQ(result.policy.inbound.included_ranges, (std::set{cidr("10.0.0.0/8")}));
    EXPECT_EQ(result.excluded_interfaces, (std::vector<std::string>{"net1"}));
}

TEST(Decide, AWildcardOfThePodWinsOverInclusionOfTheNode) {
    NodeDefaults node;
    node.outbound.included_ranges = {cidr("172.16.0.0/12")};
    node.inbound.included_ports = {80};
    const Pod pod = meshed_pod("fsm", {{"flomesh.io/outbound-ip-range-inclusion-list", " * "},
                                       {"flomesh.io/inbound-port-inclusion-list", "81,*"}});
    const InMesh result = in_mesh(decide(profile_of("fsm"), pod, node));
    EXPECT_EQ(result.policy.outbound.included_ranges, std::nullopt);
    EXPECT_EQ(result.policy.inbound.included_ports, std::nullopt);
}

TEST(Decide, SettingsOfTheNodeHoldUntilThePodSaysOtherwise) {
    NodeDefaults node;
    node.acceleration = Acceleration::off;
    node.inbound_mechanism = InboundMechanism::tc;
    const InMesh silent = in_mesh(decide(profile_of("fsm"), meshed_pod("fsm"), node));
    EXPECT_EQ(silent.policy.acceleration, Acceleration::off);
    EXPECT_EQ(silent.policy.inbound_mechanism, InboundMechanism::tc);
    const Pod pod = meshed_pod(
        "fsm", {{"fsm.flomesh.io/acceleration", "auto"}, {"fsm.flomesh.io/inbound", "auto"}});
    const InMesh automatic = in_mesh(decide(profile_of("fsm"), pod, node));
    EXPECT_EQ(automatic.policy.acceleration, std::nullopt);
    EXPECT_EQ(automatic.policy.inbound_mechanism, std::nullopt);
}

struct InclusionCase {
    const char* description;
    Texts annotations;
    std::optional<Ports> ports;
    std::optional<std::set<Cidr>> ranges;
};

// includeOutboundPorts adds to includeOutboundIPRanges, whose default is everything.
const InclusionCase kIstioInclusion[] = {
    {"nothing said", {}, std::nullopt, std::nullopt},
    {"ports alone add nothing to everything",
     {{"traffic.sidecar.istio.io/includeOutboundPorts", "80"}},
     std::nullopt,
     std::nullopt},
    {"ports and no ranges",
     {{"traffic.sidecar.istio.io/includeOutboundPorts", "80"},
      {"traffic.sidecar.istio.io/includeOutboundIPRanges", ""}},
     Ports{80},
     std::set<Cidr>{}},
    {"ranges alone",
     {{"traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8"}},
     Ports{},
     std::set{cidr("10.0.0.0/8")}},
    {"ranges, and an empty list of ports",
     {{"traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8"},
      {"traffic.sidecar.istio.io/includeOutboundPorts", ""}},
     Ports{},
     std::set{cidr("10.0.0.0/8")}},
    {"both",
     {{"traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8"},
      {"traffic.sidecar.istio.io/includeOutboundPorts", "80,443"}},
     Ports{80, 443},
     std::set{cidr("10.0.0.0/8")}},
    {"every port",
     {{"traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8"},
      {"traffic.sidecar.istio.io/includeOutboundPorts", "*"}},
     std::nullopt,
     std::nullopt},
    {"nothing at all",
     {{"traffic.sidecar.istio.io/includeOutboundIPRanges", ""}},
     Ports{},
     std::set<Cidr>{}},
};

TEST(Decide, InclusionListsOfIstioAddToOneAnother) {
    for (const InclusionCase& each : kIstioInclusion) {
        SCOPED_TRACE(each.description);
        const Decision decision =
            decide(profile_of("istio"), meshed_pod("istio", each.annotations), {});
        const TrafficFilter outbound = in_mesh(decision).policy.outbound;
        EXPECT_EQ(outbound.included_ports, each.ports);
        EXPECT_EQ(outbound.included_ranges, each.ranges);
        EXPECT_TRUE(decision.problems.empty());
    }
}

}  // namespace
}  // namespace fsm::test
