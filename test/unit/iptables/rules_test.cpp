#include "interceptor/iptables/rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "test/unit/pod/pods.h"

namespace fsm {
namespace {

using test::in_mesh;
using test::meshed_pod;
using test::profile_of;
using test::Texts;

PodEnrolment enrolment_of(const std::string& mesh, const Texts& annotations = {}) {
    PodEnrolment enrolment;
    enrolment.policy = in_mesh(decide(profile_of(mesh), meshed_pod(mesh, annotations), {})).policy;
    return enrolment;
}

std::string lines(const std::vector<std::string>& list) {
    std::string text;
    for (const std::string& line : list) {
        text += line + "\n";
    }
    return text;
}

std::string text_of(const RuleSet& rules) {
    return lines(rules.rules) + lines(rules.jumps);
}

std::string golden(const std::string& name) {
    std::ifstream file(std::string(FSM_GOLDEN_DIRECTORY) + "/" + name);
    EXPECT_TRUE(file) << "no golden file " << name;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<std::string> rules_in(const RuleSet& rules, const std::string& chain) {
    std::vector<std::string> found;
    for (const std::string& rule : rules.rules) {
        if (rule.starts_with("-A " + chain + " ")) {
            found.push_back(rule.substr(chain.size() + 4));
        }
    }
    return found;
}

using Rules = std::vector<std::string>;
constexpr Directions kBoth{true, true};

class Profile : public ::testing::TestWithParam<std::string> {};

TEST_P(Profile, IsWrittenAsItsMeshWritesIt) {
    const PodEnrolment enrolment = enrolment_of(GetParam());
    EXPECT_EQ(text_of(render_rules(enrolment, Family::ipv4, kBoth)), golden(GetParam() + ".ipv4"));
    EXPECT_EQ(text_of(render_rules(enrolment, Family::ipv6, kBoth)), golden(GetParam() + ".ipv6"));
}

INSTANTIATE_TEST_SUITE_P(Rules, Profile,
                         ::testing::Values("fsm", "istio", "kuma", "linkerd", "custom"));

TEST(Rules, ExclusionComesBeforeInclusion) {
    PodEnrolment enrolment = enrolment_of("fsm");
    TrafficFilter& outbound = enrolment.policy.outbound;
    outbound.excluded_ports = {8081};
    outbound.excluded_ranges = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("fd00::/8")};
    outbound.included_ports = {8080, 8081};

    const Rules rules = rules_in(render_rules(enrolment, Family::ipv4, kBoth), "FSM_OUTPUT");

    EXPECT_EQ(
        Rules(rules.end() - 4, rules.end()),
        Rules({"-d 10.0.0.0/8 -j RETURN", "-p tcp --dport 8081 -j RETURN",
               "-p tcp --dport 8080 -j FSM_REDIRECT", "-p tcp --dport 8081 -j FSM_REDIRECT"}));
}

TEST(Rules, ListsOfPortsAndRangesMustBothMatchOrEither) {
    PodEnrolment enrolment = enrolment_of("fsm");
    TrafficFilter& outbound = enrolment.policy.outbound;
    outbound.excluded_ports = PortSet();
    outbound.included_ports = {80, 443};
    outbound.included_ranges = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("fd00::/8")};

    const RuleSet every = render_rules(enrolment, Family::ipv4, kBoth);
    EXPECT_EQ(rules_in(every, "FSM_OUTPUT").back(), "-p tcp -d 10.0.0.0/8 -j FSM_OUT_PORTS");
    EXPECT_EQ(rules_in(every, "FSM_OUT_PORTS"),
              Rules({"-p tcp --dport 80 -j FSM_REDIRECT", "-p tcp --dport 443 -j FSM_REDIRECT"}));

    enrolment.policy.outbound_inclusion = InclusionRule::any_list;
    const Rules any = rules_in(render_rules(enrolment, Family::ipv6, kBoth), "FSM_OUTPUT");
    EXPECT_EQ(Rules(any.end() - 3, any.end()),
              Rules({"-p tcp --dport 80 -j FSM_REDIRECT", "-p tcp --dport 443 -j FSM_REDIRECT",
                     "-p tcp -d fd00::/8 -j FSM_REDIRECT"}));
}

TEST(Rules, AnEmptyInclusionListIncludesNothing) {
    PodEnrolment enrolment = enrolment_of("fsm");
    enrolment.policy.inbound.included_ports.emplace();
    EXPECT_NE(rules_in(render_rules(enrolment, Family::ipv4, kBoth), "FSM_INBOUND").back(),
              "-p tcp -j FSM_IN_REDIRECT");
}

TEST(Rules, LongListsAreNotCutAndRunsOfPortsAreOneRule) {
    PodEnrolment enrolment = enrolment_of("fsm");
    enrolment.policy.inbound.excluded_ports = PortSet();
    for (std::uint16_t port = 20000; port < 21000; ++port) {
        enrolment.policy.inbound.excluded_ports.insert(port);
    }
    for (std::uint16_t port = 30001; port < 31000; port += 2) {
        enrolment.policy.inbound.excluded_ports.insert(port);
    }
    enrolment.policy.inbound.excluded_ports.insert(65535);
    const Rules rules = rules_in(render_rules(enrolment, Family::ipv4, kBoth), "FSM_INBOUND");
    EXPECT_EQ(rules.size(), 1U + 500U + 1U + 1U);
    EXPECT_EQ(rules.front(), "-p tcp --dport 20000:20999 -j RETURN");
    EXPECT_EQ(rules[rules.size() - 2], "-p tcp --dport 65535 -j RETURN");
}

TEST(Rules, ExcludedInterfacesPassBothWays) {
    PodEnrolment enrolment = enrolment_of("fsm");
    enrolment.excluded_interfaces = {"net1"};
    const RuleSet rules = render_rules(enrolment, Family::ipv4, kBoth);
    EXPECT_EQ(rules_in(rules, "FSM_INBOUND").front(), "-i net1 -j RETURN");
    const Rules outbound = rules_in(rules, "FSM_OUTPUT");
    EXPECT_EQ(outbound[outbound.size() - 2], "-o net1 -j RETURN");
}

TEST(Rules, AnInterfaceThatWouldBeReadAsSomethingElseIsNotNamed) {
    PodEnrolment enrolment = enrolment_of("fsm");
    for (const std::string name : {"eth+", "a b", "x\n-F", "\"q", "!", "-j", ""}) {
        enrolment.excluded_interfaces = {name};
        const std::string text = text_of(render_rules(enrolment, Family::ipv4, kBoth));
        enrolment.excluded_interfaces.clear();
        EXPECT_EQ(text, text_of(render_rules(enrolment, Family::ipv4, kBoth))) << name;
    }
}

TEST(Rules, OutboundAloneLeavesInboundAndTheSidecarsOwnCallsAlone) {
    PodEnrolment enrolment = enrolment_of("istio");
    enrolment.policy.inbound_port4 = 0;
    const std::string text = text_of(render_rules(enrolment, Family::ipv4, kBoth));
    EXPECT_EQ(text.find("PREROUTING"), std::string::npos);
    EXPECT_EQ(text.find("FSM_IN"), std::string::npos);
    EXPECT_NE(text.find("-A OUTPUT"), std::string::npos);
}

TEST(Rules, AGatewaysInboundConnectionsPass) {
    const PodEnrolment enrolment = enrolment_of("kuma", {{"kuma.io/gateway", "enabled"}});
    const Rules rules = rules_in(render_rules(enrolment, Family::ipv4, kBoth), "FSM_INBOUND");
    EXPECT_EQ(std::count_if(rules.begin(), rules.end(),
                            [](const auto& rule) { return !rule.ends_with("-j RETURN"); }),
              0);
}

TEST(Rules, OneDirectionOfAFamily) {
    const PodEnrolment enrolment = enrolment_of("fsm");
    EXPECT_TRUE(render_rules(enrolment, Family::ipv6, {}).empty());

    const RuleSet inbound = render_rules(enrolment, Family::ipv6, {false, true});
    EXPECT_TRUE(rules_in(inbound, "FSM_REDIRECT").empty());
    EXPECT_EQ(intercepted_by(inbound), Directions({false, true}));

    const RuleSet outbound = render_rules(enrolment, Family::ipv6, {true, false});
    EXPECT_EQ(intercepted_by(outbound), Directions({true, false}));
}

TEST(Rules, TheirPortsAreThoseOfTheSidecar) {
    EXPECT_EQ(redirect_ports(render_rules(enrolment_of("fsm"), Family::ipv4, kBoth)),
              (std::set<std::uint16_t>{15001, 15003}));
    EXPECT_TRUE(redirect_ports({}).empty());
}

// ---- what iptables-save prints ----

constexpr const char* kSaved =
    "# Generated by iptables-nft-save v1.8.9 (nf_tables)\n"
    "*nat\n"
    ":PREROUTING ACCEPT [5:300]\n"
    ":FSM_INBOUND - [0:0]\n"
    ":FSM_OTHERS - [0:0]\n"
    "-A PREROUTING -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j FSM_INBOUND\n"
    "-A PREROUTING -p tcp -j FSM_OTHERS\n"
    "-A OUTPUT -p tcp -m comment --comment \"-j FSM_OUTPUT\" -j ACCEPT\n"
    "-A FSM_INBOUND -p tcp -m tcp --dport 22 -j RETURN\n"
    "COMMIT\n";

TEST(SavedRules, OursAreToldFromOthers) {
    const RuleSet rules = own_rules(kSaved);
    EXPECT_EQ(rules.chains, Rules({"FSM_INBOUND"}));
    EXPECT_EQ(rules.rules, Rules({"-A FSM_INBOUND -p tcp -m tcp --dport 22 -j RETURN"}));
    EXPECT_EQ(rules.jumps, Rules({"-A PREROUTING -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j "
                                  "FSM_INBOUND"}));
    EXPECT_TRUE(own_rules("").empty());
}

TEST(SavedRules, AReplacementTakesAwayExactlyWhatIsNotWanted) {
    RuleSet wanted;
    wanted.chains = {"FSM_OUTPUT"};
    wanted.rules = {"-A FSM_OUTPUT -j RETURN"};
    wanted.jumps = {"-A OUTPUT -p tcp -j FSM_OUTPUT"};
    EXPECT_EQ(replacement(own_rules(kSaved), wanted),
              "*nat\n"
              ":FSM_OUTPUT - [0:0]\n"
              ":FSM_INBOUND - [0:0]\n"
              "-D PREROUTING -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j FSM_INBOUND\n"
              "-A FSM_OUTPUT -j RETURN\n"
              "-A OUTPUT -p tcp -j FSM_OUTPUT\n"
              "-X FSM_INBOUND\n"
              "COMMIT\n");
}

TEST(SavedRules, ADifferenceIsNamed) {
    const RuleSet wanted = own_rules(kSaved);
    EXPECT_EQ(difference(wanted, wanted), "");

    RuleSet changed = wanted;
    changed.jumps.clear();
    EXPECT_NE(difference(wanted, changed).find("-j FSM_INBOUND\" is gone"), std::string::npos);

    changed = wanted;
    changed.rules.insert(changed.rules.begin(), "-A FSM_INBOUND -j ACCEPT");
    EXPECT_NE(difference(wanted, changed).find("added the rule \"-A FSM_INBOUND -j ACCEPT\""),
              std::string::npos);

    changed.chains.clear();
    EXPECT_EQ(difference(wanted, changed), "the chain FSM_INBOUND is gone");
}

}  // namespace
}  // namespace fsm
