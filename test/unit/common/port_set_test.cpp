#include "common/port_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace fsm {

static void PrintTo(const PortRange& range, std::ostream* stream) {
    *stream << range.first << "-" << range.last;
}

static void PrintTo(const PortPrefix& prefix, std::ostream* stream) {
    *stream << prefix.port << "/" << int{prefix.length};
}

namespace test {
namespace {

constexpr std::uint32_t kPorts = 65536;

using Ranges = std::vector<PortRange>;
using Prefixes = std::vector<PortPrefix>;

// Ports of prefixes, and whether no port is in two of them.
struct Covered {
    std::vector<bool> ports = std::vector<bool>(kPorts);
    bool once = true;
};

Covered covered_by(const Prefixes& prefixes) {
    Covered covered;
    for (const PortPrefix& prefix : prefixes) {
        const std::uint32_t end = prefix.port + (kPorts >> prefix.length);
        for (std::uint32_t port = prefix.port; port < end; ++port) {
            covered.once = covered.once && !covered.ports.at(port);
            covered.ports.at(port) = true;
        }
    }
    return covered;
}

TEST(PortSet, MakesOneOfRangesThatTouchOrOverlap) {
    const PortSet ports =
        PortSet::of({{80, 90}, {85, 95}, {96, 100}, {102, 110}, {1, 1}, {104, 105}});
    EXPECT_EQ(ports.ranges(), (Ranges{{1, 1}, {80, 100}, {102, 110}}));
}

TEST(PortSet, IsTheSameHoweverItWasMade) {
    PortSet ports{3, 1};
    ports.insert(2);
    ports.insert(PortSet::of({{4, 65535}}));
    EXPECT_EQ(ports, PortSet::of({{1, 65535}}));
    EXPECT_FALSE(ports.contains(0));
    EXPECT_TRUE(ports.contains(65535));
    EXPECT_TRUE(PortSet().empty());
    EXPECT_FALSE(PortSet().contains(80));
}

TEST(PortSet, PrefixesOfTheEndsOfTheNumbers) {
    EXPECT_EQ(PortSet::of({{0, 65535}}).prefixes(), (Prefixes{{0, 0}}));
    EXPECT_EQ(PortSet({65535}).prefixes(), (Prefixes{{65535, 16}}));
    EXPECT_EQ(PortSet({0}).prefixes(), (Prefixes{{0, 16}}));
    EXPECT_EQ(PortSet::of({{8000, 8007}}).prefixes(), (Prefixes{{8000, 13}}));
    EXPECT_EQ(PortSet::of({{1, 65534}}).prefixes().size(), 30U);
}

TEST(PortSet, PrefixesCoverExactlyThePortsOfRandomRanges) {
    std::mt19937 random(20);  // the same ranges in every run
    std::uniform_int_distribution<std::uint32_t> port(0, kPorts - 1);
    std::uniform_int_distribution<std::size_t> count(0, 8);
    for (int round = 0; round < 40; ++round) {
        Ranges ranges;
        std::vector<bool> expected(kPorts);
        for (std::size_t left = count(random); left > 0; --left) {
            const auto [first, last] = std::minmax({port(random), port(random)});
            ranges.push_back({static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)});
            std::fill(expected.begin() + first, expected.begin() + last + 1, true);
        }
        const PortSet ports = PortSet::of(ranges);
        const Prefixes prefixes = ports.prefixes();
        const Covered covered = covered_by(prefixes);
        ASSERT_TRUE(covered.ports == expected) << "round " << round;
        ASSERT_TRUE(covered.once) << "round " << round;
        ASSERT_LE(prefixes.size(), 30 * ports.ranges().size());
        std::vector<bool> contained(kPorts);
        for (std::uint32_t each = 0; each < kPorts; ++each) {
            contained[each] = ports.contains(static_cast<std::uint16_t>(each));
        }
        ASSERT_TRUE(contained == expected) << "round " << round;
    }
}

}  // namespace
}  // namespace test
}  // namespace fsm
