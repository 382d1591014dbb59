// The sidecar listens before its pod is enrolled: after enrolment the map leads to its sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <map>

#include "bpf/abi.h"
#include "test/bpf/instance.h"
#include "test/bpf/pod_namespace.h"

namespace fsm::test {
namespace {

std::uint64_t cookie_of(const Fd& socket) {
    std::uint64_t cookie = 0;
    socklen_t length = sizeof(cookie);
    getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length);
    return cookie;
}

// The sockets that are entered for one port, family and bind.
std::vector<std::uint64_t> entered(const Instance& instance, std::uint16_t port,
                                   std::uint8_t family, fsm_listener_bind bind) {
    const BpfMap map = instance.pinned("fsm_listeners");
    std::vector<std::uint64_t> cookies;
    for (const auto& key : must(map.keys<fsm_listener_key>())) {
        if (key.port == port && key.family == family && key.bind == bind) {
            cookies.push_back(*must(map.lookup<fsm_listener_key, std::uint64_t>(key)));
        }
    }
    return cookies;
}

class TakeOver : public testing::Test {
  protected:
    Instance instance;
    PodNamespace pod{"10.98.1.2"};
    std::unique_ptr<Datapath> datapath = instance.open();

    EnrolledPod enrol() { return must(datapath->enrol(pod.netns(), pod.enrolment())); }
};

TEST_F(TakeOver, EntersAnIpv4Wildcard) {
    const Fd inbound = pod.listen({"0.0.0.0", kInbound});
    const Fd outbound = pod.listen({"0.0.0.0", kOutbound});
    const EnrolledPod enrolled = enrol();
    EXPECT_THAT(entered(instance, kInbound, AF_INET, FSM_BIND_POD),
                testing::ElementsAre(cookie_of(inbound)));
    EXPECT_THAT(entered(instance, kInbound, AF_INET6, FSM_BIND_POD), testing::IsEmpty());
    EXPECT_EQ(enrolled.listeners_seen,
              static_cast<std::uint32_t>(FSM_SEEN_IN4 | FSM_SEEN_OUT4_WILDCARD));
    EXPECT_EQ(enrolled.inbound, InboundMechanism::sk_lookup);
}

TEST_F(TakeOver, EntersADualStackListenerForBothFamilies) {
    const Fd inbound = pod.listen({"::", kInbound});
    const Fd outbound = pod.listen({"::", kOutbound});
    const EnrolledPod enrolled = enrol();
    EXPECT_THAT(entered(instance, kInbound, AF_INET, FSM_BIND_POD),
                testing::ElementsAre(cookie_of(inbound)));
    EXPECT_THAT(entered(instance, kInbound, AF_INET6, FSM_BIND_POD),
                testing::ElementsAre(cookie_of(inbound)));
    EXPECT_EQ(enrolled.listeners_seen,
              static_cast<std::uint32_t>(FSM_SEEN_IN4 | FSM_SEEN_IN6 | FSM_SEEN_OUT6 |
                                         FSM_SEEN_OUT4_WILDCARD));
}

TEST_F(TakeOver, KeepsAnIpv6OnlyListenerFromIpv4) {
    const Fd v4 = pod.listen({"0.0.0.0", kInbound});
    const Fd v6 = pod.listen({"::", kInbound, Bind::Only::yes});
    enrol();
    EXPECT_THAT(entered(instance, kInbound, AF_INET, FSM_BIND_POD),
                testing::ElementsAre(cookie_of(v4)));
    EXPECT_THAT(entered(instance, kInbound, AF_INET6, FSM_BIND_POD),
                testing::ElementsAre(cookie_of(v6)));
}

TEST_F(TakeOver, EntersALoopbackListenerAsSuch) {
    const Fd outbound = pod.listen({"127.0.0.1", kOutbound});
    const EnrolledPod enrolled = enrol();
    EXPECT_THAT(entered(instance, kOutbound, AF_INET, FSM_BIND_LOOPBACK),
                testing::ElementsAre(cookie_of(outbound)));
    EXPECT_THAT(entered(instance, kOutbound, AF_INET, FSM_BIND_POD), testing::IsEmpty());
    EXPECT_EQ(enrolled.listeners_seen, static_cast<std::uint32_t>(FSM_SEEN_OUT4_LOOPBACK));
}

TEST_F(TakeOver, EntersEveryWorkerOfAReusePortGroup) {
    std::vector<Fd> workers;
    std::vector<std::uint64_t> cookies;
    for (int worker = 0; worker < 3; ++worker) {
        workers.push_back(pod.listen({"0.0.0.0", kInbound, Bind::Only::no, Bind::Reuse::yes}));
        cookies.push_back(cookie_of(workers.back()));
    }
    enrol();
    EXPECT_THAT(entered(instance, kInbound, AF_INET, FSM_BIND_POD),
                testing::UnorderedElementsAreArray(cookies));
    workers.front().reset();
    EXPECT_EQ(entered(instance, kInbound, AF_INET, FSM_BIND_POD).size(), 2U);
}

TEST_F(TakeOver, FillsTheSlotsOfAGroupThatIsLarger) {
    std::vector<Fd> workers;
    for (int worker = 0; worker < FSM_LISTENER_SLOTS + 6; ++worker) {
        workers.push_back(pod.listen({"0.0.0.0", kInbound, Bind::Only::no, Bind::Reuse::yes}));
    }
    enrol();
    EXPECT_EQ(entered(instance, kInbound, AF_INET, FSM_BIND_POD).size(),
              static_cast<std::size_t>(FSM_LISTENER_SLOTS));
}

TEST_F(TakeOver, EntersNoSocketTwice) {
    const Fd inbound = pod.listen({"0.0.0.0", kInbound});
    enrol();
    enrol();
    EXPECT_EQ(entered(instance, kInbound, AF_INET, FSM_BIND_POD).size(), 1U);
}

TEST_F(TakeOver, LeavesOtherPortsAlone) {
    const Fd application = pod.listen({"0.0.0.0", 8080});
    EXPECT_EQ(enrol().listeners_seen, 0U);
    EXPECT_EQ(must(instance.pinned("fsm_listeners").count()), 0U);
}

TEST_F(TakeOver, SeesAListenerThatComesAfterEnrolment) {
    enrol();
    const Fd inbound = pod.listen({"0.0.0.0", kInbound});
    EXPECT_THAT(entered(instance, kInbound, AF_INET, FSM_BIND_POD),
                testing::ElementsAre(cookie_of(inbound)));
    EXPECT_TRUE(datapath->check(pod.netns(), pod.cookie()));
}

TEST_F(TakeOver, ForgetsListenersOfFormerPorts) {
    const Fd inbound = pod.listen({"0.0.0.0", kInbound});
    enrol();
    PodEnrolment changed = pod.enrolment();
    changed.policy.inbound_port4 = changed.policy.inbound_port6 = 15006;
    must(datapath->enrol(pod.netns(), changed));
    EXPECT_TRUE(entered(instance, kInbound, AF_INET, FSM_BIND_POD).empty());
}

TEST_F(TakeOver, SteersConnectionsToATakenListener) {
    const PodNamespace client("10.98.9.9");
    connect_namespaces(client, pod);
    const Fd inbound = pod.listen({"0.0.0.0", kInbound});
    PodEnrolment enrolment = pod.enrolment();
    enrolment.addresses.push_back(must(IpAddress::parse("10.99.0.2")));
    enrolment.interfaces.emplace_back("between");
    EXPECT_EQ(client.connect("10.99.0.2", 8080), ECONNREFUSED);
    for (const auto mechanism :
         {InboundMechanism::sk_lookup, InboundMechanism::tc, InboundMechanism::sk_lookup}) {
        enrolment.policy.inbound_mechanism = mechanism;
        EXPECT_EQ(must(datapath->enrol(pod.netns(), enrolment)).inbound, mechanism);
        EXPECT_EQ(client.connect("10.99.0.2", 8080), 0) << to_string(mechanism);
    }
    must(datapath->withdraw(pod.cookie(), &pod.netns()));
    EXPECT_EQ(client.connect("10.99.0.2", 8080), ECONNREFUSED);
}

}  // namespace
}  // namespace fsm::test
