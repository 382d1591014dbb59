#include "interceptor/datapath/kernel_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <string>

#include "test/bpf/instance.h"

namespace fsm::test {
namespace {

std::ptrdiff_t open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
}

TEST(KernelProbe, TriesEverythingInTimeAndLeavesNothing) {
    const auto descriptors = open_descriptors();
    const auto start = std::chrono::steady_clock::now();
    const KernelProbe probe = must(probe_kernel());
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10))
        << "half a second, alone";
    EXPECT_EQ(open_descriptors(), descriptors);
    std::vector<std::string> names;
    for (const KernelCapability& capability : probe.capabilities) {
        names.push_back(capability.name);
        EXPECT_FALSE(capability.detail.empty()) << capability.name;
    }
    EXPECT_THAT(names,
                testing::ElementsAre("sk_lookup", "tc", "order of redirected data",
                                     "flow control of redirected data", "FIONREAD of TCP data",
                                     "FIONREAD of redirected data", "splice of redirected data",
                                     "blocking read beside a writing thread", "SO_RCVLOWAT",
                                     "short read empties the socket", "MSG_TRUNC", "reset"));
    // The kernel frees programs after a grace period.
    const std::string count = "bpftool prog show | grep -c probe_";
    for (int tries = 0; tries < 50 && shell(count) != "0\n"; ++tries) {
        shell("sleep 0.1");
    }
    EXPECT_EQ(shell(count), "0\n");
}

TEST(KernelProbe, DecidesByWhatItSaw) {
    const KernelProbe probe = must(probe_kernel());
    bool all = true;
    for (const KernelCapability& capability : probe.capabilities) {
        all =
            all && (capability.works || capability.name == "sk_lookup" || capability.name == "tc");
        if (!capability.works && probe.order_and_flow_control) {
            EXPECT_THAT(probe.reason, testing::HasSubstr(capability.name));
        }
    }
    const Acceleration expected = !probe.order_and_flow_control ? Acceleration::off
                                  : all                         ? Acceleration::full
                                                                : Acceleration::sidecar;
    EXPECT_EQ(probe.automatic, expected) << probe.reason;
}

// These fail on every known kernel: the probe must detect it, also on a busy machine.
TEST(KernelProbe, SeesTheKnownHazardsOfSocketMaps) {
    const std::set<std::string> hazards = {"splice of redirected data",
                                           "blocking read beside a writing thread",
                                           "SO_RCVLOWAT",
                                           "short read empties the socket",
                                           "MSG_TRUNC",
                                           "reset"};
    const KernelProbe probe = must(probe_kernel());
    for (const KernelCapability& capability : probe.capabilities) {
        if (hazards.contains(capability.name)) {
            EXPECT_FALSE(capability.works) << "a kernel that does it: say so in the documentation";
        }
    }
}

}  // namespace
}  // namespace fsm::test
