// Enrolling, changing and withdrawing pods: the contents of the maps before, during and after.
#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "bpf/abi.h"
#include "test/bpf/instance.h"
#include "test/bpf/pod_namespace.h"

namespace fsm::test {
namespace {

std::map<std::string, std::uint64_t> entries(const Datapath& datapath) {
    std::map<std::string, std::uint64_t> counts;
    for (const DatapathMap& map : must(datapath.maps())) {
        counts[map.name] = map.entries;
    }
    return counts;
}

class Enrolment : public testing::Test {
  protected:
    Instance instance;
    PodNamespace pod{"10.98.1.2"};
    std::unique_ptr<Datapath> datapath = instance.open();
    std::map<std::string, std::uint64_t> empty = entries(*datapath);

    PodEnrolment with_lists() const {
        PodEnrolment enrolment = pod.enrolment();
        enrolment.policy.outbound.excluded_ports = {22, 25};
        enrolment.policy.inbound.excluded_ranges = {must(Cidr::parse("10.0.0.0/8")),
                                                    must(Cidr::parse("fd00::/8"))};
        return enrolment;
    }
    std::string clsact() const { return pod.shell("tc qdisc show dev eth0 | grep clsact"); }
};

TEST_F(Enrolment, IsUndoneByWithdrawal) {
    must(datapath->enrol(pod.netns(), with_lists()));
    EXPECT_EQ(entries(*datapath)["fsm_ports"], 2U);
    EXPECT_EQ(entries(*datapath)["fsm_ranges"], 2U);
    EXPECT_EQ(entries(*datapath)["fsm_pod_ips"], 1U);
    must(datapath->check(pod.netns(), pod.cookie()));
    must(datapath->withdraw(pod.cookie(), &pod.netns()));
    must(datapath->sweep());
    EXPECT_EQ(entries(*datapath), empty);
    EXPECT_EQ(shell("ls " + instance.root() + "/pods"), "");
    must(datapath->withdraw(pod.cookie(), &pod.netns()));
}

TEST(EnrolmentOfTooManyPods, IsRefusedAndLeavesNothing) {
    Instance instance;
    instance.options.max_pods = 1;
    PodNamespace first{"10.98.1.2"};
    PodNamespace second{"10.98.1.3"};
    const auto datapath = instance.open();
    must(datapath->enrol(first.netns(), first.enrolment()));
    const auto before = entries(*datapath);

    const auto refused = datapath->enrol(second.netns(), second.enrolment());

    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), testing::HasSubstr("maxPods"));
    EXPECT_EQ(entries(*datapath), before);
    must(datapath->check(first.netns(), first.cookie()));
    must(datapath->withdraw(first.cookie(), &first.netns()));
    must(datapath->enrol(second.netns(), second.enrolment()));
}

TEST_F(Enrolment, ReplacesThePolicyAndForgetsTheOldOne) {
    must(datapath->enrol(pod.netns(), with_lists()));
    PodEnrolment changed = pod.enrolment();
    changed.policy.outbound.excluded_ports = {443};
    changed.addresses = {must(IpAddress::parse("10.98.1.3"))};
    changed.given = {changed.addresses[0]};
    must(datapath->enrol(pod.netns(), changed));
    must(datapath->sweep());
    EXPECT_EQ(entries(*datapath)["fsm_ports"], 1U);
    EXPECT_EQ(entries(*datapath)["fsm_ranges"], 0U);
    EXPECT_EQ(entries(*datapath)["fsm_pod_ips"], 1U);
    ASSERT_EQ(must(datapath->pods()).size(), 1U);
    EXPECT_EQ(must(datapath->pods())[0].addresses[0].to_string(), "10.98.1.3");
}

// The old policy stands under a number that only the deleted entry led to.
TEST_F(Enrolment, ForgetsThePolicyOfAPodWhoseEntrySomebodyDeleted) {
    must(datapath->enrol(pod.netns(), with_lists()));
    const auto cookie = pod.cookie();
    const auto fd = bpf_obj_get((instance.root() + "/maps/fsm_pods").c_str());
    ASSERT_GE(fd, 0);
    ASSERT_EQ(bpf_map_delete_elem(fd, &cookie), 0);
    close(fd);
    must(datapath->enrol(pod.netns(), with_lists()));
    must(datapath->sweep());
    EXPECT_EQ(entries(*datapath)["fsm_ports"], 2U);
    EXPECT_EQ(entries(*datapath)["fsm_ranges"], 2U);
}

TEST_F(Enrolment, ManyAtOnceDoNotDisturbEachOther) {
    constexpr int kPods = 8;
    constexpr int kRounds = 20;
    std::vector<std::unique_ptr<PodNamespace>> pods;
    for (int number = 0; number < kPods; ++number) {
        pods.push_back(std::make_unique<PodNamespace>("10.98.3." + std::to_string(number + 1)));
    }
    std::atomic<int> failures = 0;
    std::vector<std::thread> threads;
    for (const auto& one : pods) {
        threads.emplace_back([&, netns = one.get()] {
            PodEnrolment enrolment = netns->enrolment();
            enrolment.policy.outbound.excluded_ports = {22, 25};
            for (int round = 0; round < kRounds; ++round) {
                failures += datapath->enrol(netns->netns(), enrolment) ? 0 : 1;
                failures += datapath->withdraw(netns->cookie(), &netns->netns()) ? 0 : 1;
                failures += datapath->enrol(netns->netns(), enrolment) ? 0 : 1;
            }
        });
    }
    for (int round = 0; round < kRounds; ++round) {
        must(datapath->sweep());
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(failures, 0);
    must(datapath->sweep());
    EXPECT_EQ(entries(*datapath)["fsm_pods"], std::uint64_t{kPods});
    EXPECT_EQ(entries(*datapath)["fsm_ports"], 2U * kPods);
    EXPECT_EQ(entries(*datapath)["fsm_pod_ips"], std::uint64_t{kPods});
    for (const auto& one : pods) {
        must(datapath->check(one->netns(), one->cookie()));
        must(datapath->withdraw(one->cookie(), &one->netns()));
    }
    must(datapath->sweep());
    EXPECT_EQ(entries(*datapath), empty);
}

TEST_F(Enrolment, LeavesNothingWhenItFails) {
    PodEnrolment impossible = with_lists();
    impossible.policy.inbound_mechanism = InboundMechanism::tc;
    impossible.interfaces = {"eth0", "nosuch0"};
    const auto enrolled = datapath->enrol(pod.netns(), impossible);
    ASSERT_FALSE(enrolled);
    EXPECT_THAT(enrolled.error().message(), testing::HasSubstr("nosuch0"));
    EXPECT_EQ(entries(*datapath), empty);
    EXPECT_EQ(clsact(), "");
    EXPECT_EQ(shell("ls " + instance.root() + "/pods"), "");
}

TEST_F(Enrolment, KeepsTheFormerStateWhenAChangeFails) {
    must(datapath->enrol(pod.netns(), with_lists()));
    const auto before = entries(*datapath);
    PodEnrolment impossible = pod.enrolment();
    impossible.policy.inbound_mechanism = InboundMechanism::tc;
    impossible.interfaces = {"nosuch0"};
    impossible.policy.outbound.excluded_ports = {1, 2, 3};
    ASSERT_FALSE(datapath->enrol(pod.netns(), impossible));
    EXPECT_EQ(entries(*datapath), before);
    must(datapath->check(pod.netns(), pod.cookie()));
    EXPECT_EQ(must(datapath->pods())[0].inbound, InboundMechanism::sk_lookup);
}

TEST_F(Enrolment, SaysWhenThePolicyDoesNotFit) {
    datapath.reset();
    instance.options.max_policy_entries = 4;
    datapath = instance.open();
    PodEnrolment large = pod.enrolment();
    large.policy.outbound.excluded_ports = {1, 3, 5, 7, 9};
    const auto enrolled = datapath->enrol(pod.netns(), large);
    ASSERT_FALSE(enrolled);
    EXPECT_THAT(enrolled.error().message(), testing::HasSubstr("raise maxPolicyEntries"));
    EXPECT_EQ(entries(*datapath)["fsm_ports"], 0U);
    // Four fit, twice in a row, though the first four are still there.
    large.policy.outbound.excluded_ports = {1, 2, 3, 4};
    must(datapath->enrol(pod.netns(), large));
    must(datapath->withdraw(pod.cookie(), &pod.netns()));
    must(datapath->enrol(pod.netns(), large));
}

TEST_F(Enrolment, ByTcKeepsWhatOthersHaveThere) {
    pod.shell("tc qdisc add dev eth0 clsact");
    PodEnrolment enrolment = pod.enrolment();
    enrolment.policy.inbound_mechanism = InboundMechanism::tc;
    must(datapath->enrol(pod.netns(), enrolment));
    must(datapath->check(pod.netns(), pod.cookie()));
    EXPECT_THAT(pod.shell("tc filter show dev eth0 ingress"), testing::HasSubstr("fsm_ingress"));
    EXPECT_THAT(pod.shell("tc filter show dev eth0 egress"), testing::HasSubstr("fsm_egress"));
    must(datapath->withdraw(pod.cookie(), &pod.netns()));
    EXPECT_EQ(pod.shell("tc filter show dev eth0 ingress"), "");
    EXPECT_NE(clsact(), "") << "the qdisc was not ours";
}

TEST_F(Enrolment, ByTcTakesItsOwnQdiscAwayUnlessOthersUseIt) {
    PodEnrolment enrolment = pod.enrolment();
    enrolment.policy.inbound_mechanism = InboundMechanism::tc;
    must(datapath->enrol(pod.netns(), enrolment));
    must(datapath->withdraw(pod.cookie(), &pod.netns()));
    EXPECT_EQ(clsact(), "");
    must(datapath->enrol(pod.netns(), enrolment));
    pod.shell("tc filter add dev eth0 egress prio 7 protocol all u32 match u32 0 0");
    must(datapath->withdraw(pod.cookie(), &pod.netns()));
    EXPECT_NE(clsact(), "");
    EXPECT_THAT(pod.shell("tc filter show dev eth0 egress"), testing::HasSubstr("u32"));
}

TEST_F(Enrolment, IsCheckedAgainstTheKernel) {
    PodEnrolment enrolment = pod.enrolment();
    enrolment.policy.inbound_mechanism = InboundMechanism::tc;
    EXPECT_FALSE(datapath->check(pod.netns(), pod.cookie()));
    must(datapath->enrol(pod.netns(), enrolment));
    must(datapath->check(pod.netns(), pod.cookie()));
    pod.shell("tc filter del dev eth0 egress");
    const auto checked = datapath->check(pod.netns(), pod.cookie());
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().message(), testing::HasSubstr("egress"));
    must(datapath->enrol(pod.netns(), enrolment));
    must(datapath->check(pod.netns(), pod.cookie()));
}

TEST_F(Enrolment, EndsWithItsNamespace) {
    {
        const PodNamespace dying("10.98.1.7");
        must(datapath->enrol(dying.netns(), dying.enrolment()));
        EXPECT_EQ(must(datapath->pods()).size(), 1U);
    }
    for (int tries = 0; tries < 50 && !must(datapath->pods()).empty(); ++tries) {
        shell("sleep 0.1");
        must(datapath->sweep());
    }
    EXPECT_EQ(entries(*datapath), empty);
}

TEST_F(Enrolment, AcceleratesAsFarAsTheProfileVouches) {
    PodEnrolment enrolment = pod.enrolment();
    EXPECT_EQ(must(datapath->enrol(pod.netns(), enrolment)).acceleration, Acceleration::off);
    enrolment.policy.sidecar_reads_safely = true;
    EXPECT_EQ(must(datapath->enrol(pod.netns(), enrolment)).acceleration,
              datapath->automatic_acceleration());
}

TEST_F(Enrolment, CountsUnderTheNamesOfTheContract) {
    const auto counters = must(datapath->counters());
    EXPECT_EQ(counters.size(), static_cast<std::size_t>(FSM_COUNTER_COUNT));
    EXPECT_EQ(counters[FSM_COUNTER_LISTENER_SEEN].name, "listener_seen");
    must(datapath->enrol(pod.netns(), pod.enrolment()));
    const Fd inbound = pod.listen({"0.0.0.0", kInbound});
    EXPECT_EQ(must(datapath->counters())[FSM_COUNTER_LISTENER_SEEN].value, 1U);
}

std::uint64_t resident_kilobytes() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        if (word == "VmRSS:") {
            std::uint64_t kilobytes = 0;
            status >> kilobytes;
            return kilobytes;
        }
    }
    return 0;
}

TEST_F(Enrolment, OfFiveHundredPodsStaysSmall) {
    std::vector<std::unique_ptr<PodNamespace>> pods;
    for (int index = 0; index < 500; ++index) {
        pods.push_back(std::make_unique<PodNamespace>("10.97." + std::to_string(index / 250) + "." +
                                                      std::to_string(index % 250 + 1)));
        must(datapath->enrol(pods.back()->netns(), pods.back()->enrolment()));
    }
    EXPECT_EQ(must(datapath->pods()).size(), 500U);
    EXPECT_LT(resident_kilobytes(), 25U * 1024U);
    for (const auto& enrolled : pods) {
        must(datapath->withdraw(enrolled->cookie(), &enrolled->netns()));
    }
    must(datapath->sweep());
    EXPECT_EQ(entries(*datapath), empty);
}

}  // namespace
}  // namespace fsm::test
