// Every annotation of every mesh: the effect of its values, and the messages about invalid ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "test/unit/pod/pods.h"

namespace fsm::test {
namespace {

using fsm::testing::texts_of;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using Ports = PortSet;
using Ranges = std::set<Cidr>;

Ranges ranges(std::initializer_list<const char*> texts) {
    Ranges result;
    for (const char* text : texts) {
        result.insert(*Cidr::parse(text));
    }
    return result;
}

// ---- lists of ports

// The part of a policy that an annotation sets, without what is there by default.
using PortsOf = std::function<std::optional<Ports>(const InMesh&)>;

PortsOf outbound_excluded() {
    return [](const InMesh& pod) { return pod.policy.outbound.excluded_ports; };
}
PortsOf inbound_excluded() {
    return [](const InMesh& pod) { return pod.policy.inbound.excluded_ports; };
}
PortsOf outbound_included() {
    return [](const InMesh& pod) { return pod.policy.outbound.included_ports; };
}
PortsOf inbound_included() {
    return [](const InMesh& pod) { return pod.policy.inbound.included_ports; };
}

struct PortAnnotation {
    const char* mesh;
    const char* name;
    PortsOf ports;
    Ports always;  // there regardless of the annotation
    bool accepts_ranges;
    Texts beside;  // annotations without which this one has no effect
};

const Texts kNoIstioRanges = {{"traffic.sidecar.istio.io/includeOutboundIPRanges", ""}};

const PortAnnotation kPortAnnotations[] = {
    {"fsm", "flomesh.io/outbound-port-exclusion-list", outbound_excluded(), {15000}, false, {}},
    {"fsm", "flomesh.io/outbound-port-inclusion-list", outbound_included(), {}, false, {}},
    {"fsm",
     "flomesh.io/inbound-port-exclusion-list",
     inbound_excluded(),
     {15010, 15901, 15902, 15903, 15904},
     false,
     {}},
    {"fsm", "flomesh.io/inbound-port-inclusion-list", inbound_included(), {}, false, {}},
    {"istio", "traffic.sidecar.istio.io/excludeOutboundPorts", outbound_excluded(), {}, false, {}},
    {"istio",
     "traffic.sidecar.istio.io/includeOutboundPorts",
     outbound_included(),
     {},
     false,
     kNoIstioRanges},
    {"istio",
     "traffic.sidecar.istio.io/excludeInboundPorts",
     inbound_excluded(),
     {15008, 15020, 15021, 15090},
     false,
     {}},
    {"istio", "traffic.sidecar.istio.io/includeInboundPorts", inbound_included(), {}, false, {}},
    {"linkerd", "config.linkerd.io/skip-inbound-ports", inbound_excluded(), {4190, 4191}, true, {}},
    {"linkerd", "config.linkerd.io/skip-outbound-ports", outbound_excluded(), {}, true, {}},
    {"kuma", "traffic.kuma.io/exclude-outbound-ports", outbound_excluded(), {}, false, {}},
    {"kuma", "traffic.kuma.io/exclude-inbound-ports", inbound_excluded(), {22, 15008}, false, {}},
    {"custom", "example.org/exclude-outbound-ports", outbound_excluded(), {}, true, {}},
    {"custom", "example.org/include-outbound-ports", outbound_included(), {}, true, {}},
    {"custom", "example.org/exclude-inbound-ports", inbound_excluded(), {}, true, {}},
    {"custom", "example.org/include-inbound-ports", inbound_included(), {}, true, {}},
};

struct PortListCase {
    const char* description;
    const char* value;
    Ports ports;
    std::vector<const char*> problems;  // an entry that each of the problems names
};

const PortListCase kPortLists[] = {
    {"one", "80", {80}, {}},
    {"several", "80,443,65535,1", {1, 80, 443, 65535}, {}},
    {"white space", " 80 ,\t443\n, 8080 ", {80, 443, 8080}, {}},
    {"empty entries", ",80,,443,", {80, 443}, {}},
    {"twice the same", "80,80", {80}, {}},
    {"leading zeros", "0080", {80}, {}},
    {"zero", "80,0", {80}, {"\"0\""}},
    {"too large", "80,65536", {80}, {"\"65536\""}},
    {"much too large", "80,99999999999999999999", {80}, {"\"99999999999999999999\""}},
    {"negative", "80,-1", {80}, {"\"-1\""}},
    {"a sign", "80,+1", {80}, {"\"+1\""}},
    {"a word", "80,http", {80}, {"\"http\""}},
    {"a fraction", "80,8.5", {80}, {"\"8.5\""}},
    {"hexadecimal", "80,0x50", {80}, {"\"0x50\""}},
    {"another separator", "80,81;82", {80}, {"\"81;82\""}},
    {"white space inside", "80,8 1", {80}, {"\"8 1\""}},
    {"several bad ones", "a,80,b", {80}, {"\"a\"", "\"b\""}},
    {"control characters", "80,\x01\x7f", {80}, {"\"\\x01\\x7f\""}},
};

Ports united(Ports ports, const Ports& more) {
    ports.insert(more);
    return ports;
}

TEST(Annotations, ListsOfPorts) {
    for (const PortAnnotation& annotation : kPortAnnotations) {
        const MeshProfile profile = profile_of(annotation.mesh);
        for (const PortListCase& each : kPortLists) {
            SCOPED_TRACE(std::string(annotation.name) + ": " + each.description);
            Texts annotations = annotation.beside;
            annotations[annotation.name] = each.value;
            const Decision decision = decide(profile, meshed_pod(annotation.mesh, annotations), {});
            EXPECT_EQ(annotation.ports(in_mesh(decision)), united(each.ports, annotation.always));
            EXPECT_EQ(decision.problems.size(), each.problems.size());
            for (const char* entry : each.problems) {
                EXPECT_THAT(texts_of(decision.problems),
                            Contains(AllOf(HasSubstr(annotation.name), HasSubstr(entry),
                                           HasSubstr("1 to 65535"))));
            }
        }
    }
}

const PortListCase kPortRanges[] = {
    {"a range", "80-82", {80, 81, 82}, {}},
    {"white space in a range", "80 - 82", {80, 81, 82}, {}},
    {"ranges that overlap", "80-82,81-83,90", {80, 81, 82, 83, 90}, {}},
    {"a range of one", "80-80", {80}, {}},
    {"the end of the numbers", "65534-65535", {65534, 65535}, {}},
    {"upside down", "80,82-80", {80}, {"\"82-80\""}},
    {"open at the end", "80,81-", {80}, {"\"81-\""}},
    {"too large", "80,81-70000", {80}, {"\"81-70000\""}},
    {"from zero", "80,0-3", {80}, {"\"0-3\""}},
    {"three parts", "80,1-2-3", {80}, {"\"1-2-3\""}},
};

TEST(Annotations, RangesOfPortsWhereTheMeshKnowsThem) {
    for (const PortAnnotation& annotation : kPortAnnotations) {
        const MeshProfile profile = profile_of(annotation.mesh);
        for (const PortListCase& each : kPortRanges) {
            SCOPED_TRACE(std::string(annotation.name) + ": " + each.description);
            const Decision decision =
                decide(profile, meshed_pod(annotation.mesh, {{annotation.name, each.value}}), {});
            if (annotation.accepts_ranges) {
                EXPECT_EQ(annotation.ports(in_mesh(decision)),
                          united(each.ports, annotation.always));
                EXPECT_EQ(decision.problems.size(), each.problems.size());
            } else {
                EXPECT_THAT(texts_of(decision.problems), Contains(HasSubstr("is not a port")));
            }
        }
    }
}

TEST(Annotations, EveryPortIsSaidByTwoPrefixes) {
    const InMesh pod = in_mesh(decide(
        profile_of("linkerd"),
        meshed_pod("linkerd", {{"config.linkerd.io/skip-outbound-ports", "1-40000,30000-65535"}}),
        {}));
    EXPECT_TRUE(pod.policy.outbound.excluded_ports.empty());
    EXPECT_EQ(pod.policy.outbound.excluded_ranges, ranges({"0.0.0.0/0", "::/0"}));
}

TEST(Annotations, AWildcardIncludesEveryPortWhereTheMeshKnowsIt) {
    for (const char* name :
         {"flomesh.io/outbound-port-inclusion-list", "flomesh.io/inbound-port-inclusion-list"}) {
        const Decision decision =
            decide(profile_of("fsm"), meshed_pod("fsm", {{name, "80, *"}}), {});
        EXPECT_EQ(in_mesh(decision).policy.outbound.included_ports, std::nullopt);
        EXPECT_EQ(in_mesh(decision).policy.inbound.included_ports, std::nullopt);
        EXPECT_TRUE(decision.problems.empty());
    }
    const Decision excluded =
        decide(profile_of("fsm"),
               meshed_pod("fsm", {{"flomesh.io/inbound-port-exclusion-list", "*"}}), {});
    EXPECT_THAT(texts_of(excluded.problems), Contains(HasSubstr("\"*\" is not a port")));
}

TEST(Annotations, AnInclusionListWithoutAUsableEntryDoesNotLeadAroundTheMesh) {
    for (const PortAnnotation& annotation : kPortAnnotations) {
        if (std::string(annotation.name).find("nclu") == std::string::npos) {
            continue;
        }
        SCOPED_TRACE(annotation.name);
        const Decision decision =
            decide(profile_of(annotation.mesh),
                   meshed_pod(annotation.mesh, {{annotation.name, "http,https"}}), {});
        EXPECT_EQ(in_mesh(decision).policy.outbound.included_ports, std::nullopt);
        EXPECT_EQ(in_mesh(decision).policy.inbound.included_ports, std::nullopt);
        EXPECT_EQ(decision.problems.size(), 3U);
        EXPECT_THAT(texts_of(decision.problems), Contains(HasSubstr("everything is intercepted")));
    }
}

TEST(Annotations, AnEmptyInclusionListMeansWhatItMeansToTheMesh) {
    const InMesh fsm =
        in_mesh(decide(profile_of("fsm"),
                       meshed_pod("fsm", {{"flomesh.io/inbound-port-inclusion-list", " "}}), {}));
    EXPECT_EQ(fsm.policy.inbound.included_ports, std::nullopt);
    const InMesh istio = in_mesh(
        decide(profile_of("istio"),
               meshed_pod("istio", {{"traffic.sidecar.istio.io/includeInboundPorts", ""}}), {}));
    EXPECT_EQ(istio.policy.inbound.included_ports, Ports{});
}

TEST(Annotations, ManyProblemsOfOneListAreCounted) {
    std::string value;
    for (int index = 0; index < 1000; ++index) {
        value += "bad" + std::to_string(index) + ",";
    }
    const Decision decision =
        decide(profile_of("fsm"),
               meshed_pod("fsm", {{"flomesh.io/inbound-port-exclusion-list", value + "80"}}), {});
    EXPECT_TRUE(in_mesh(decision).policy.inbound.excluded_ports.contains(80));
    ASSERT_EQ(decision.problems.size(), 11U);
    EXPECT_THAT(decision.problems.back().text, HasSubstr("990 more"));
}

TEST(Annotations, MoreThanTwentyEntriesCount) {
    std::string value;
    Ports expected = {15000};
    for (std::uint16_t port = 1; port <= 500; ++port) {
        value += std::to_string(port) + ",";
        expected.insert(port);
    }
    const InMesh pod = in_mesh(
        decide(profile_of("fsm"),
               meshed_pod("fsm", {{"flomesh.io/outbound-port-exclusion-list", value}}), {}));
    EXPECT_EQ(pod.policy.outbound.excluded_ports, expected);
}

TEST(Annotations, ALongListOfWideRangesIsReadQuickly) {
    std::string value;
    for (int index = 0; index < 20'000; ++index) {
        value += "1-65534,";
    }
    const InMesh pod = in_mesh(
        decide(profile_of("linkerd"),
               meshed_pod("linkerd", {{"config.linkerd.io/skip-outbound-ports", value}}), {}));
    EXPECT_EQ(pod.policy.outbound.excluded_ports, PortSet::of({{1, 65534}}));
}

TEST(Annotations, LinkerdsDefaultGivesWayToTheAnnotation) {
    const InMesh pod = in_mesh(
        decide(profile_of("linkerd"),
               meshed_pod("linkerd", {{"config.linkerd.io/skip-outbound-ports", "25"}}), {}));
    EXPECT_EQ(pod.policy.outbound.excluded_ports, Ports{25});
    EXPECT_EQ(pod.policy.inbound.excluded_ports, (Ports{4190, 4191, 4567, 4568}));
}

// ---- lists of ranges

using RangesOf = std::function<std::optional<Ranges>(const InMesh&)>;

struct RangeAnnotation {
    const char* mesh;
    const char* name;
    RangesOf ranges;
    bool accepts_wildcard;
};

RangesOf outbound_excluded_ranges() {
    return [](const InMesh& pod) { return pod.policy.outbound.excluded_ranges; };
}
RangesOf inbound_excluded_ranges() {
    return [](const InMesh& pod) { return pod.policy.inbound.excluded_ranges; };
}
RangesOf outbound_included_ranges() {
    return [](const InMesh& pod) { return pod.policy.outbound.included_ranges; };
}

const RangeAnnotation kRangeAnnotations[] = {
    {"fsm", "flomesh.io/outbound-ip-range-exclusion-list", outbound_excluded_ranges(), true},
    {"fsm", "flomesh.io/outbound-ip-range-inclusion-list", outbound_included_ranges(), true},
    {"istio", "traffic.sidecar.istio.io/excludeOutboundIPRanges", outbound_excluded_ranges(),
     false},
    {"istio", "traffic.sidecar.istio.io/includeOutboundIPRanges", outbound_included_ranges(), true},
    {"linkerd", "config.linkerd.io/skip-subnets", inbound_excluded_ranges(), false},
    {"kuma", "traffic.kuma.io/exclude-outbound-ips", outbound_excluded_ranges(), false},
    {"kuma", "traffic.kuma.io/exclude-inbound-ips", inbound_excluded_ranges(), false},
    {"custom", "example.org/exclude-outbound-ranges", outbound_excluded_ranges(), true},
    {"custom", "example.org/include-outbound-ranges", outbound_included_ranges(), true},
    {"custom", "example.org/exclude-inbound-ranges", inbound_excluded_ranges(), true},
};

struct RangeListCase {
    const char* description;
    const char* value;
    Ranges ranges;
    std::vector<const char*> problems;
};

const RangeListCase kRangeLists[] = {
    {"a prefix", "10.0.0.0/8", ranges({"10.0.0.0/8"}), {}},
    {"IPv6", "fd00::/8", ranges({"fd00::/8"}), {}},
    {"both families", "10.0.0.0/8,fd00::/8", ranges({"10.0.0.0/8", "fd00::/8"}), {}},
    {"an address", "10.1.2.3", ranges({"10.1.2.3/32"}), {}},
    {"an IPv6 address", "fd00::1", ranges({"fd00::1/128"}), {}},
    {"white space", " 10.0.0.0/8 ,\n 192.168.0.0/16", ranges({"10.0.0.0/8", "192.168.0.0/16"}), {}},
    {"everything of IPv4", "0.0.0.0/0", ranges({"0.0.0.0/0"}), {}},
    {"everything of IPv6", "::/0", ranges({"::/0"}), {}},
    {"bits behind the prefix", "10.0.0.0/8,10.1.2.3/16", ranges({"10.0.0.0/8"}), {"10.1.2.3/16"}},
    {"too long a prefix", "10.0.0.0/8,10.0.0.0/33", ranges({"10.0.0.0/8"}), {"10.0.0.0/33"}},
    {"no length", "10.0.0.0/8,10.0.0.0/", ranges({"10.0.0.0/8"}), {"10.0.0.0/"}},
    {"a netmask", "10.0.0.0/8,10.0.0.0/255.0.0.0", ranges({"10.0.0.0/8"}), {"255.0.0.0"}},
    {"three numbers", "10.0.0.0/8,10.0.0/8", ranges({"10.0.0.0/8"}), {"\"10.0.0/8\""}},
    {"a number too large", "10.0.0.0/8,10.0.0.256", ranges({"10.0.0.0/8"}), {"10.0.0.256"}},
    {"a name", "10.0.0.0/8,example.org", ranges({"10.0.0.0/8"}), {"example.org"}},
    {"a range", "10.0.0.0/8,10.0.0.1-10.0.0.9", ranges({"10.0.0.0/8"}), {"10.0.0.1-10.0.0.9"}},
};

TEST(Annotations, ListsOfRanges) {
    for (const RangeAnnotation& annotation : kRangeAnnotations) {
        const MeshProfile profile = profile_of(annotation.mesh);
        for (const RangeListCase& each : kRangeLists) {
            SCOPED_TRACE(std::string(annotation.name) + ": " + each.description);
            const Decision decision =
                decide(profile, meshed_pod(annotation.mesh, {{annotation.name, each.value}}), {});
            EXPECT_EQ(annotation.ranges(in_mesh(decision)), each.ranges);
            EXPECT_EQ(decision.problems.size(), each.problems.size());
            for (const char* entry : each.problems) {
                EXPECT_THAT(texts_of(decision.problems),
                            Contains(AllOf(HasSubstr(annotation.name), HasSubstr(entry))));
            }
        }
    }
}

TEST(Annotations, AWildcardForRangesWhereTheMeshKnowsIt) {
    for (const RangeAnnotation& annotation : kRangeAnnotations) {
        SCOPED_TRACE(annotation.name);
        const Decision decision =
            decide(profile_of(annotation.mesh),
                   meshed_pod(annotation.mesh, {{annotation.name, "10.0.0.0/8,*"}}), {});
        const auto result = annotation.ranges(in_mesh(decision));
        if (!annotation.accepts_wildcard) {
            EXPECT_EQ(result, ranges({"10.0.0.0/8"}));
            EXPECT_THAT(texts_of(decision.problems), Contains(HasSubstr("\"*\"")));
        } else if (std::string(annotation.name).find("nclu") != std::string::npos) {
            EXPECT_EQ(result, std::nullopt);
        } else {
            EXPECT_EQ(result, ranges({"10.0.0.0/8", "0.0.0.0/0", "::/0"}));
        }
    }
}

// ---- switches

struct SwitchAnnotation {
    const char* mesh;
    const char* name;
    std::vector<const char*> enabled;
    std::vector<const char*> disabled;
    bool also_label;
};

const SwitchAnnotation kInjection[] = {
    {"fsm",
     "flomesh.io/sidecar-injection",
     {"enabled", "yes", "true", "Enabled", "YES", "tRuE", " enabled "},
     {"disabled", "no", "false", "DISABLED", "No", "False", "\tno\n"},
     false},
    {"istio",
     "sidecar.istio.io/inject",
     {"true", "True", "1", "t", "yes", "y", "on"},
     {"false", "FALSE", "0", "f", "no", "n", "off"},
     true},
    {"istio", "sidecar.istio.io/interceptionMode", {"REDIRECT"}, {"NONE"}, false},
    {"linkerd", "linkerd.io/inject", {"enabled", "ingress"}, {"disabled"}, false},
    {"kuma", "kuma.io/sidecar-injected", {"true"}, {"false"}, false},
    {"kuma",
     "kuma.io/sidecar-injection",
     {"enabled", "true", "yes"},
     {"disabled", "false", "no"},
     true},
    {"kuma",
     "kuma.io/transparent-proxying",
     {"enabled", "true", "yes"},
     {"disabled", "false", "no"},
     false},
    {"custom", "example.org/inject", {"enabled", "true"}, {"disabled", "false"}, false},
};

const char* const kNoSwitchValues[] = {"", "maybe", "enabled,disabled", "2", "truetrue", "-"};

Decision decide_with(const char* mesh, const char* name, const char* value) {
    Pod pod = meshed_pod(mesh);
    pod.annotations[name] = value;
    return decide(profile_of(mesh), pod, {});
}

TEST(Annotations, InjectionSwitches) {
    for (const SwitchAnnotation& annotation : kInjection) {
        SCOPED_TRACE(annotation.name);
        for (const char* value : annotation.enabled) {
            const Decision decision = decide_with(annotation.mesh, annotation.name, value);
            EXPECT_EQ(reason_outside(decision), "") << value;
            EXPECT_TRUE(decision.problems.empty()) << value;
        }
        for (const char* value : annotation.disabled) {
            const Decision decision = decide_with(annotation.mesh, annotation.name, value);
            EXPECT_THAT(reason_outside(decision), HasSubstr(annotation.name)) << value;
            EXPECT_TRUE(decision.problems.empty()) << value;
        }
        for (const char* value : kNoSwitchValues) {
            const Decision decision = decide_with(annotation.mesh, annotation.name, value);
            EXPECT_EQ(reason_outside(decision), "") << value;
            ASSERT_EQ(decision.problems.size(), 1U) << value;
            EXPECT_THAT(decision.problems[0].text,
                        AllOf(HasSubstr(annotation.name), HasSubstr(annotation.enabled[0])));
        }
    }
}

TEST(Annotations, ALabelGoesBeforeTheAnnotationWhereTheMeshSaysSo) {
    for (const SwitchAnnotation& annotation : kInjection) {
        SCOPED_TRACE(annotation.name);
        Pod pod = meshed_pod(annotation.mesh);
        pod.annotations[annotation.name] = annotation.enabled[0];
        pod.labels[annotation.name] = annotation.disabled[0];
        const Decision decision = decide(profile_of(annotation.mesh), pod, {});
        EXPECT_EQ(reason_outside(decision) != "", annotation.also_label);
    }
}

TEST(Annotations, FamilyModeOfKuma) {
    const char* const name = "kuma.io/transparent-proxying-ip-family-mode";
    EXPECT_EQ(in_mesh(decide_with("kuma", name, "ipv4")).policy.ipv6, Ipv6Mode::never);
    EXPECT_EQ(in_mesh(decide_with("kuma", name, "dualstack")).policy.ipv6,
              Ipv6Mode::when_listening);
    EXPECT_EQ(in_mesh(decide_with("kuma", name, "ipv6")).policy.ipv6, Ipv6Mode::when_listening);
    const Decision wrong = decide_with("kuma", name, "both");
    EXPECT_EQ(in_mesh(wrong).policy.ipv6, Ipv6Mode::when_listening);
    EXPECT_THAT(texts_of(wrong.problems), Contains(HasSubstr("dualstack, ipv6, ipv4")));
}

TEST(Annotations, AGatewayOfKumaTakesItsClientsDirectly) {
    const char* const name = "kuma.io/gateway";
    const InMesh gateway = in_mesh(decide_with("kuma", name, "enabled"));
    EXPECT_EQ(gateway.policy.inbound.included_ports, Ports{});
    EXPECT_EQ(gateway.policy.outbound.included_ports, std::nullopt);
    EXPECT_EQ(in_mesh(decide_with("kuma", name, "disabled")).policy.inbound.included_ports,
              std::nullopt);
    const Decision wrong = decide_with("kuma", name, "perhaps");
    EXPECT_EQ(in_mesh(wrong).policy.inbound.included_ports, std::nullopt);
    EXPECT_EQ(wrong.problems.size(), 1U);
}

// ---- numbers

struct NumberAnnotation {
    const char* mesh;
    const char* name;
    const char* value;
    std::function<std::uint32_t(const InMesh&)> number;
    std::uint32_t expected;
    std::uint32_t without;
    std::vector<const char*> wrong;
};

const std::vector<const char*> kNoPorts = {"0", "65536", "-1", "http", "", "80,81", "8 0"};
const std::vector<const char*> kNoIds = {"4294967295", "-1", "root", "", "1,2", "0x10"};

const NumberAnnotation kNumbers[] = {
    {"fsm", "flomesh.io/port", "15022",
     [](const InMesh& pod) { return pod.policy.inbound.excluded_ports.contains(15022); }, 0, 0,
     kNoPorts},
    {"istio",
     "status.sidecar.istio.io/port",
     " 15022 ",
     [](const InMesh& pod) { return pod.policy.inbound.excluded_ports.contains(15022); },
     1,
     0,
     {"65536", "-1", "http", "", "80,81"}},
    {"istio",
     "status.sidecar.istio.io/port",
     "0",
     [](const InMesh& pod) { return pod.policy.inbound.excluded_ports.contains(0); },
     0,
     0,
     {}},
    {"linkerd", "config.linkerd.io/proxy-uid", "3000",
     [](const InMesh& pod) { return pod.policy.sidecar_uid; }, 3000, 2102, kNoIds},
    {"linkerd", "config.linkerd.io/proxy-gid", "3001",
     [](const InMesh& pod) { return pod.policy.sidecar_gid.value_or(0); }, 3001, 0, kNoIds},
    {"linkerd", "config.linkerd.io/inbound-port", "5143",
     [](const InMesh& pod) { return pod.policy.inbound_port4; }, 5143, 4143, kNoPorts},
    {"linkerd", "config.linkerd.io/inbound-port", "5143",
     [](const InMesh& pod) { return pod.policy.inbound_port6; }, 5143, 4143, kNoPorts},
    {"linkerd", "config.linkerd.io/outbound-port", "5140",
     [](const InMesh& pod) { return pod.policy.outbound_port4; }, 5140, 4140, kNoPorts},
    {"linkerd", "config.linkerd.io/outbound-port", "5140",
     [](const InMesh& pod) { return pod.policy.outbound_port6; }, 5140, 4140, kNoPorts},
    {"kuma", "kuma.io/sidecar-uid", "5679",
     [](const InMesh& pod) { return pod.policy.sidecar_uid; }, 5679, 5678, kNoIds},
    {"kuma", "kuma.io/transparent-proxying-outbound-port", "16001",
     [](const InMesh& pod) { return pod.policy.outbound_port4; }, 16001, 15001, kNoPorts},
    {"kuma", "kuma.io/transparent-proxying-inbound-port", "16006",
     [](const InMesh& pod) { return pod.policy.inbound_port4; }, 16006, 15006, kNoPorts},
    {"kuma", "kuma.io/transparent-proxying-inbound-port", "16006",
     [](const InMesh& pod) { return pod.policy.inbound_port6; }, 15010, 15010, kNoPorts},
    {"kuma",
     "kuma.io/transparent-proxying-inbound-v6-port",
     "16010",
     [](const InMesh& pod) { return pod.policy.inbound_port6; },
     16010,
     15010,
     {"65536", "-1", "http", "", "80,81"}},
    {"kuma",
     "kuma.io/transparent-proxying-inbound-v6-port",
     "0",
     [](const InMesh& pod) { return pod.policy.ipv6 == Ipv6Mode::never ? 1U : 0U; },
     1,
     0,
     {}},
};

TEST(Annotations, Numbers) {
    for (const NumberAnnotation& each : kNumbers) {
        SCOPED_TRACE(std::string(each.name) + "=" + each.value);
        const Decision decision = decide_with(each.mesh, each.name, each.value);
        EXPECT_EQ(each.number(in_mesh(decision)), each.expected);
        EXPECT_TRUE(decision.problems.empty());
        for (const char* value : each.wrong) {
            const Decision wrong = decide_with(each.mesh, each.name, value);
            EXPECT_EQ(each.number(in_mesh(wrong)), each.without) << value;
            ASSERT_EQ(wrong.problems.size(), 1U) << value;
            EXPECT_THAT(wrong.problems[0].text,
                        AllOf(HasSubstr(each.name), HasSubstr("is not a number from")));
        }
    }
}

TEST(Annotations, OnePortForBothDirectionsIsRefused) {
    const Decision decision = decide_with("linkerd", "config.linkerd.io/inbound-port", "4140");
    EXPECT_EQ(in_mesh(decision).policy.inbound_port4, 4143);
    EXPECT_EQ(in_mesh(decision).policy.outbound_port4, 4140);
    EXPECT_THAT(texts_of(decision.problems), Contains(HasSubstr("one port for outbound")));
}

// ---- the rest

TEST(Annotations, InterfacesOfIstio) {
    const char* const name = "traffic.sidecar.istio.io/excludeInterfaces";
    const Decision decision = decide_with("istio", name, " net1 , net2,net1");
    EXPECT_EQ(in_mesh(decision).excluded_interfaces, (std::vector<std::string>{"net1", "net2"}));
    EXPECT_TRUE(decision.problems.empty());
    const Decision wrong =
        decide_with("istio", name, "net1,a/b,sixteen-letters-,..,e th,x:1,caf\xc3\xa9");
    EXPECT_EQ(in_mesh(wrong).excluded_interfaces, (std::vector<std::string>{"net1"}));
    EXPECT_EQ(wrong.problems.size(), 6U);
}

TEST(Annotations, AccelerationAndInboundOfEveryMesh) {
    for (const char* mesh : {"fsm", "istio", "linkerd", "kuma", "custom"}) {
        SCOPED_TRACE(mesh);
        const char* const acceleration = "fsm.flomesh.io/acceleration";
        const auto accelerated = [&](const char* value) {
            return in_mesh(decide_with(mesh, acceleration, value)).policy.acceleration;
        };
        EXPECT_EQ(accelerated("auto"), std::nullopt);
        EXPECT_EQ(accelerated("off"), Acceleration::off);
        EXPECT_EQ(accelerated(" Sidecar "), Acceleration::sidecar);
        EXPECT_EQ(accelerated("FULL"), Acceleration::full);
        const char* const inbound = "fsm.flomesh.io/inbound";
        const auto mechanism = [&](const char* value) {
            return in_mesh(decide_with(mesh, inbound, value)).policy.inbound_mechanism;
        };
        EXPECT_EQ(mechanism("auto"), std::nullopt);
        EXPECT_EQ(mechanism("sk_lookup"), InboundMechanism::sk_lookup);
        EXPECT_EQ(mechanism("TC"), InboundMechanism::tc);
        for (const char* name : {acceleration, inbound}) {
            for (const char* value : {"", "on", "true", "sk-lookup", "off,full"}) {
                const Decision wrong = decide_with(mesh, name, value);
                EXPECT_EQ(in_mesh(wrong).policy.acceleration, std::nullopt);
                EXPECT_EQ(in_mesh(wrong).policy.inbound_mechanism, std::nullopt);
                ASSERT_EQ(wrong.problems.size(), 1U) << value;
                EXPECT_THAT(wrong.problems[0].text, AllOf(HasSubstr(name), HasSubstr("auto")));
            }
        }
    }
}

TEST(Annotations, LinkerdLooksAtTheNamespaceWhenThePodSaysNothing) {
    Pod pod = meshed_pod("linkerd");
    pod.namespace_annotations = {{"config.linkerd.io/skip-outbound-ports", "25"},
                                 {"config.linkerd.io/proxy-uid", "3000"}};
    pod.annotations = {{"config.linkerd.io/proxy-uid", "4000"}};
    const InMesh result = in_mesh(decide(profile_of("linkerd"), pod, {}));
    EXPECT_EQ(result.policy.outbound.excluded_ports, Ports{25});
    EXPECT_EQ(result.policy.sidecar_uid, 4000U);
    pod.namespace_annotations["linkerd.io/inject"] = "disabled";
    EXPECT_NE(reason_outside(decide(profile_of("linkerd"), pod, {})), "");
}

TEST(Annotations, OtherMeshesDoNotLookAtTheNamespace) {
    Pod pod = meshed_pod("fsm");
    pod.namespace_annotations = {{"flomesh.io/sidecar-injection", "disabled"}};
    EXPECT_EQ(reason_outside(decide(profile_of("fsm"), pod, {})), "");
}

// A new rule of a profile needs a row here.
TEST(Annotations, EveryAnnotationOfEveryMeshIsTestedHere) {
    std::set<std::string> tested = {
        "kuma.io/transparent-proxying-ip-family-mode",
        "kuma.io/gateway",
        "traffic.sidecar.istio.io/excludeInterfaces",
        "example.org/exclude-interfaces",
        "fsm.flomesh.io/acceleration",
        "fsm.flomesh.io/inbound",
    };
    for (const auto& each : kPortAnnotations) {
        tested.insert(each.name);
    }
    for (const auto& each : kRangeAnnotations) {
        tested.insert(each.name);
    }
    for (const auto& each : kInjection) {
        tested.insert(each.name);
    }
    for (const auto& each : kNumbers) {
        tested.insert(each.name);
    }
    for (const std::string& mesh : MeshProfile::builtin_names()) {
        for (const AnnotationRule& rule : profile_of(mesh).annotations) {
            EXPECT_EQ(tested.count(rule.name), 1U) << mesh << ": " << rule.name;
        }
    }
}

}  // namespace
}  // namespace fsm::test
