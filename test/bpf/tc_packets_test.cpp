// What tc's programs do with packets of every kind: the action, and each byte of the packet.
#include <gtest/gtest.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>

#include "test/bpf/program_run.h"

namespace fsm::test {
namespace {

constexpr std::uint16_t kWanted = 8080;
constexpr std::size_t kSourcePort = 0;
constexpr std::size_t kDestinationPort = 2;
constexpr std::size_t kChecksum = 16;
// Of a TCP header: up to the checksum, which is rewritten with the port.
constexpr std::size_t kNeededOfTcp = 18;
constexpr unsigned kFlagSets = 256;
constexpr std::size_t kEthernet = 14;
constexpr std::size_t kIpv4 = 20;
constexpr std::size_t kIpv6 = 40;
constexpr std::uint16_t kMoreFragments = 0x2000;

class TcPackets : public testing::TestWithParam<Family> {
  protected:
    Family family() const { return GetParam(); }
    Packet packet() const { return Packet(family()); }
    std::size_t ip_header() const { return family() == Family::v4 ? kIpv4 : kIpv6; }

    // Left alone: other filters, and the kernel, decide.
    static void expect_untouched(const Verdict& verdict, const Frame& frame,
                                 const std::string& what) {
        EXPECT_EQ(verdict.action, TC_ACT_UNSPEC) << what;
        EXPECT_EQ(verdict.frame, frame) << what;
    }
    static void expect_dropped(const Verdict& verdict, const Frame& frame,
                               const std::string& what) {
        EXPECT_EQ(verdict.action, TC_ACT_SHOT) << what;
        EXPECT_EQ(verdict.frame, frame) << what;
    }
    // Another port, the checksum that belongs to it, and nothing else.
    void expect_port(const Verdict& verdict, const Packet& packet, std::size_t field,
                     std::uint16_t port, const std::string& what) const {
        const std::size_t tcp = packet.tcp_offset();
        EXPECT_EQ(verdict.action, TC_ACT_UNSPEC) << what;
        ASSERT_EQ(verdict.frame.size(), packet.frame().size()) << what;
        const std::uint16_t checksum = number_at(verdict.frame, tcp + kChecksum);
        EXPECT_EQ(verdict.frame, with_number(with_number(packet.frame(), tcp + field, port),
                                             tcp + kChecksum, checksum))
            << what;
        EXPECT_TRUE(has_right_checksum(verdict.frame, tcp, family())) << what;
    }
    void expect_rewritten(const Packet& packet, const std::string& what) const {
        expect_port(run.ingress(packet.frame()), packet, kDestinationPort, ProgramRun::kInboundPort,
                    what);
    }
    void expect_left_alone(const Packet& packet, const std::string& what) const {
        expect_untouched(run.ingress(packet.frame()), packet.frame(), what);
    }

    ProgramRun run;
};

std::string number(std::size_t value) {
    return std::to_string(value);
}

// ---- flags -------------------------------------------------------------------------------------

TEST_P(TcPackets, OnlySynWithoutAckBeginsAConnection) {
    for (unsigned flags = 0; flags < kFlagSets; ++flags) {
        Segment segment;
        segment.flags = static_cast<std::uint8_t>(flags);
        const Packet sent = packet().tcp(segment);
        const bool begins = (flags & kSyn) != 0 && (flags & kAck) == 0;
        if (begins) {
            expect_rewritten(sent, "flags " + number(flags));
            ASSERT_EQ(run.flows().size(), 1U) << flags;
            EXPECT_EQ(ntohs(run.flows().front().original_port_be), kWanted);
        } else {
            expect_left_alone(sent, "flags " + number(flags));
            ASSERT_TRUE(run.flows().empty()) << flags;
        }
        run.forget_flows();
    }
}

TEST_P(TcPackets, EverySegmentOfAConnectionIsTranslatedBothWays) {
    const Packet syn = packet().tcp({});
    expect_rewritten(syn, "SYN");
    for (unsigned flags = 0; flags < kFlagSets; ++flags) {
        Segment segment;
        segment.flags = static_cast<std::uint8_t>(flags);
        segment.payload = flags % 3;
        expect_rewritten(packet().tcp(segment), "flags " + number(flags));
        std::swap(segment.source, segment.destination);
        segment.source = ProgramRun::kInboundPort;
        const Packet answer = packet().reply().tcp(segment);
        expect_port(run.egress(answer.frame()), answer, kSourcePort, kWanted,
                    "answer with flags " + number(flags));
    }
    EXPECT_EQ(run.flows().size(), 1U);
}

TEST_P(TcPackets, AnswersOfOthersAreLeftAlone) {
    for (unsigned flags = 0; flags < kFlagSets; ++flags) {
        for (const std::uint16_t source : Numbers{ProgramRun::kInboundPort, kWanted}) {
            Segment segment;
            segment.flags = static_cast<std::uint8_t>(flags);
            segment.source = source;
            segment.destination = 40000;
            const Frame frame = packet().reply().tcp(segment).frame();
            expect_untouched(run.egress(frame), frame, number(source) + " flags " + number(flags));
        }
    }
}

TEST_P(TcPackets, OneSourcePortTowardsTwoPortsIsTwoConnections) {
    expect_rewritten(packet().tcp({}), "the first");
    Segment other;
    other.destination = 9090;
    other.flags = kAck;
    expect_left_alone(packet().tcp(other), "a segment of what is no connection of ours");
}

// ---- cut ---------------------------------------------------------------------------------------

TEST_P(TcPackets, CutAnywhere) {
    const Packet whole = packet().tcp({});
    const std::size_t needed = whole.tcp_offset() + kNeededOfTcp;
    // Less than an IP header is refused by the kernel, which looks at it before the program runs.
    for (std::size_t length = whole.tcp_offset(); length < whole.frame().size(); ++length) {
        const Frame cut = whole.cut_to(length);
        const Verdict in = run.ingress(cut);
        if (length < needed) {
            expect_dropped(in, cut, "a cut TCP header: " + number(length));
        } else {
            EXPECT_EQ(in.action, TC_ACT_UNSPEC);
            EXPECT_EQ(number_at(in.frame, whole.tcp_offset() + kDestinationPort),
                      ProgramRun::kInboundPort);
        }
        expect_untouched(run.egress(cut), cut, "outbound: " + number(length));
    }
}

TEST_P(TcPackets, WhatIsHiddenCountsAndPassesOnceThePodHasGoneOverToSkLookup) {
    const Frame cut = packet().tcp({}).cut_to(kEthernet + ip_header() + 8);
    expect_dropped(run.ingress(cut), cut, "by tc");
    EXPECT_EQ(run.counter(FSM_COUNTER_INBOUND_HIDDEN), 1U);
    run.pod().flags &= ~static_cast<std::uint32_t>(FSM_POD_INBOUND_TC);
    run.write_pod();
    expect_untouched(run.ingress(cut), cut, "by sk_lookup");
}

// ---- tags, other protocols ---------------------------------------------------------------------

TEST_P(TcPackets, InANetworkBehindATagAreNotThePodsOwn) {
    for (const std::uint16_t type : Numbers{0x8100, 0x88a8}) {
        const Packet tagged = packet().tag(5, type).tcp({});
        expect_left_alone(tagged, "VLAN 5");
        expect_untouched(run.egress(tagged.frame()), tagged.frame(), "outbound");
        expect_left_alone(packet().tag(5, type).tag(0).tcp({}), "a tag behind that of VLAN 5");
    }
}

TEST_P(TcPackets, BehindASecondTagOfPriorityAreDropped) {
    for (const std::uint16_t type : Numbers{0x8100, 0x88a8}) {
        for (const std::uint16_t priority : Numbers{0, 0x2000, 0xe000}) {
            const Packet tagged = packet().tag(priority, type).tcp({});
            expect_dropped(run.ingress(tagged.frame()), tagged.frame(), number(priority));
        }
    }
}

TEST_P(TcPackets, OfOtherProtocolsAreLeftAlone) {
    for (unsigned protocol = 0; protocol < 256; ++protocol) {
        const bool extends =
            family() == Family::v6 &&
            (protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
             protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_AH);
        if (protocol == IPPROTO_TCP || extends) {
            continue;
        }
        const Packet other = packet().other(static_cast<std::uint8_t>(protocol));
        expect_left_alone(other, "protocol " + number(protocol));
        expect_untouched(run.egress(other.frame()), other.frame(), "outbound");
    }
}

TEST_P(TcPackets, OfNoKnownEthertypeAreLeftAlone) {
    for (const std::uint16_t type : Numbers{0x0000, 0x0026, 0x0806, 0x88cc, 0xffff}) {
        const Frame frame = with_number(packet().tcp({}).frame(), kEthernet - 2, type);
        expect_untouched(run.ingress(frame), frame, number(type));
    }
}

// ---- the pod -----------------------------------------------------------------------------------

TEST_P(TcPackets, OfAPodThatIsNotEnrolledAreLeftAlone) {
    run.remove_pod();
    expect_left_alone(packet().tcp({}), "SYN");
    const Frame cut = packet().tcp({}).cut_to(kEthernet + ip_header() + 8);
    expect_untouched(run.ingress(cut), cut, "cut");
}

TEST_P(TcPackets, OfOpenConnectionsAreTranslatedAfterThePodHasGoneOverToSkLookup) {
    expect_rewritten(packet().tcp({}), "SYN by tc");
    run.pod().flags &= ~static_cast<std::uint32_t>(FSM_POD_INBOUND_TC);
    run.write_pod();
    Segment later;
    later.flags = kAck;
    expect_rewritten(packet().tcp(later), "ACK");
    expect_left_alone(packet().tcp({}), "SYN");
}

TEST_P(TcPackets, AreDroppedWithoutTheProgramThatAllPodsShare) {
    run.empty_calls("fsm_tc_calls");
    const Frame frame = packet().tcp({}).frame();
    expect_dropped(run.ingress(frame), frame, "in");
    expect_dropped(run.egress(frame), frame, "out");
}

INSTANTIATE_TEST_SUITE_P(Families, TcPackets, testing::Values(Family::v4, Family::v6),
                         [](const auto& name) { return name.param == Family::v4 ? "v4" : "v6"; });

// ---- IPv4 --------------------------------------------------------------------------------------

class TcPacketsV4 : public TcPackets {};

TEST_P(TcPacketsV4, WithOptions) {
    for (std::size_t bytes = 0; bytes <= 40; bytes += 4) {
        const Packet sent = packet().options(bytes).tcp({});
        expect_rewritten(sent, number(bytes) + " bytes of options");
        const Frame cut = sent.cut_to(sent.tcp_offset() + kNeededOfTcp - 1);
        expect_dropped(run.ingress(cut), cut, "cut behind " + number(bytes));
    }
}

TEST_P(TcPacketsV4, InFragments) {
    expect_rewritten(packet().fragment(kMoreFragments).tcp({}), "the first");
    const Packet first = packet().fragment(kMoreFragments).tcp({});
    for (const std::size_t bytes : {8U, 16U}) {
        const Frame tiny = first.cut_to(first.tcp_offset() + bytes);
        expect_dropped(run.ingress(tiny), tiny, "a first one of " + number(bytes));
    }
    for (const std::uint16_t offset : Numbers{1, 2, 3, 185, 0x1fff}) {
        expect_left_alone(packet().fragment(offset).tcp({}), "the last, at " + number(offset));
        const auto middle = static_cast<std::uint16_t>(offset | kMoreFragments);
        expect_left_alone(packet().fragment(middle).tcp({}), "one at " + number(offset));
    }
}

INSTANTIATE_TEST_SUITE_P(Families, TcPacketsV4, testing::Values(Family::v4),
                         [](const auto&) { return "v4"; });

// ---- IPv6 --------------------------------------------------------------------------------------

constexpr std::size_t kFollowed = 6;

class TcPacketsV6 : public TcPackets {};

TEST_P(TcPacketsV6, BehindEachExtensionHeader) {
    for (const std::uint8_t type : Bytes{IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS}) {
        for (const std::size_t bytes : {8U, 16U, 64U, 2048U / 8}) {
            expect_rewritten(packet().extension(type, bytes).tcp({}),
                             number(type) + " of " + number(bytes));
        }
    }
    for (const std::size_t bytes : {12U, 16U, 24U, 28U}) {
        expect_rewritten(packet().extension(IPPROTO_AH, bytes).tcp({}), "AH of " + number(bytes));
    }
}

TEST_P(TcPacketsV6, BehindAsManyHeadersAsAreFollowed) {
    Packet headers = packet();
    for (std::size_t count = 1; count <= kFollowed + 2; ++count) {
        headers.extension(IPPROTO_DSTOPTS);
        Packet sent = headers;
        sent.tcp({});
        if (count <= kFollowed) {
            expect_rewritten(sent, number(count) + " headers");
        } else {
            expect_dropped(run.ingress(sent.frame()), sent.frame(), number(count) + " headers");
        }
        expect_untouched(run.egress(sent.frame()), sent.frame(), "outbound");
    }
}

TEST_P(TcPacketsV6, BehindAHeaderThatIsCut) {
    const Packet sent = packet().extension(IPPROTO_HOPOPTS).extension(IPPROTO_DSTOPTS).tcp({});
    for (std::size_t length = kEthernet + kIpv6; length < sent.tcp_offset() + kNeededOfTcp;
         ++length) {
        const Frame cut = sent.cut_to(length);
        expect_dropped(run.ingress(cut), cut, number(length));
    }
}

TEST_P(TcPacketsV6, InFragments) {
    expect_rewritten(packet().fragment_header(0).tcp({}), "the only one");
    expect_rewritten(packet().fragment_header(1).tcp({}), "the first");
    const Packet first = packet().fragment_header(1).tcp({});
    const Frame tiny = first.cut_to(first.tcp_offset() + 8);
    expect_dropped(run.ingress(tiny), tiny, "a first one with the ports alone");
    for (const std::uint16_t offset : Numbers{8, 16, 1480, 0xfff8}) {
        for (const std::uint16_t more : Numbers{0, 1}) {
            const auto field = static_cast<std::uint16_t>(offset | more);
            expect_left_alone(packet().fragment_header(field).tcp({}), number(field));
        }
    }
    expect_rewritten(
        packet().extension(IPPROTO_HOPOPTS).fragment_header(0).extension(IPPROTO_DSTOPTS).tcp({}),
        "between other headers");
}

TEST_P(TcPacketsV6, OfOtherProtocolsBehindHeadersAreLeftAlone) {
    for (const std::uint8_t protocol :
         Bytes{IPPROTO_UDP, IPPROTO_ICMPV6, IPPROTO_NONE, IPPROTO_ESP}) {
        expect_left_alone(packet().extension(IPPROTO_DSTOPTS).other(protocol), number(protocol));
    }
}

TEST_P(TcPacketsV6, OfAFamilyThatIsNotInterceptedAreLeftAlone) {
    run.pod().ipv6 = FSM_IPV6_NEVER;
    run.write_pod();
    expect_left_alone(packet().tcp({}), "never");
    run.pod().ipv6 = FSM_IPV6_WHEN_LISTENING;
    run.write_pod();
    expect_left_alone(packet().tcp({}), "no listener was seen");
    run.pod().listeners = FSM_SEEN_IN6;
    run.write_pod();
    expect_rewritten(packet().tcp({}), "a listener was seen");
}

INSTANTIATE_TEST_SUITE_P(Families, TcPacketsV6, testing::Values(Family::v6),
                         [](const auto&) { return "v6"; });

}  // namespace
}  // namespace fsm::test
