// The sidecar listens before its pod is enrolled: after the enrolment the map contains its sockets.
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

// The sockets in the map for one port, family and bind.
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

    // Of which kind they are, as the pod's entry says.
    std::uint32_t seen(std::uint64_t cookie) const {
        return must(instance.pinned("fsm_pods").lookup<std::uint64_t, struct fsm_pod>(cookie))
            .value()
            .listeners;
    }

    EnrolledPod enrol() { return must(datapath->enrol(pod.netns(), pod.enrolment())); }
};

TEST_F(TakeOver, EntersAnIpv4Wildcard) {
    const Fd inbound = pod.listen({"0.0.0.0", kInbound});
    const Fd outbound = pod.listen({"0.0.0.0", kOutbound});
    const EnrolledPod enrolled = enrol();
    EXPECT_THAT(entered(instance, kInbound, AF_INET, FSM_BIND_POD),
                testing::ElementsAre(cookie_of(inbound)));
    EXPECT_THAT(entered(instance, kInbound, AF_INET6, FSM_BIND_POD), testing::IsEmpty());
    EXPECT_EQ(seen(pod.cookie()),
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
    EXPECT_EQ(seen(pod.cookie()),
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
    EXPECT_EQ(seen(pod.cookie()), static_cast<std::uint32_t>(FSM_SEEN_OUT4_LOOPBACK));
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
    EXPECT_EQ(enrol().listeners, SeenListeners());
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

// The kernel does not accept MPTCP listeners in a socket map; Go programs listen by MPTCP by
// default.
class Mptcp : public TakeOver {
  protected:
    PodNamespace client{"10.98.9.9"};

    void SetUp() override { connect_namespaces(client, pod); }
    PodEnrolment enrolment() const {
        PodEnrolment enrolment = pod.enrolment();
        enrolment.interfaces.clear();
        return enrolment;
    }
    Fd listen_by_mptcp(const char* address, std::uint16_t port) const {
        return pod.listen({address, port, Bind::Only::no, Bind::Reuse::no, Bind::Protocol::mptcp});
    }
};

TEST_F(Mptcp, ListenersBeforeEnrolmentAreReachedByTc) {
    const Fd inbound = listen_by_mptcp("0.0.0.0", kInbound);
    const EnrolledPod enrolled = must(datapath->enrol(pod.netns(), enrolment()));
    EXPECT_EQ(enrolled.inbound, InboundMechanism::tc);
    EXPECT_THAT(enrolled.inbound_reason, testing::HasSubstr("MPTCP on port 15003"));
    EXPECT_EQ(client.connect("10.99.0.2", 8080), 0);
}

TEST_F(Mptcp, ListenersAfterEnrolmentAreSaidAndReachedByTc) {
    EXPECT_EQ(must(datapath->enrol(pod.netns(), enrolment())).inbound, InboundMechanism::sk_lookup);
    EXPECT_THAT(must(datapath->pods_to_enrol_again()), testing::IsEmpty());
    const Fd inbound = listen_by_mptcp("::", kInbound);
    EXPECT_EQ(client.connect("10.99.0.2", 8080), ECONNREFUSED);
    EXPECT_THAT(must(datapath->pods_to_enrol_again()), testing::ElementsAre(pod.cookie()));
    EXPECT_FALSE(datapath->check(pod.netns(), pod.cookie()));
    EXPECT_EQ(must(datapath->enrol(pod.netns(), enrolment())).inbound, InboundMechanism::tc);
    EXPECT_THAT(must(datapath->pods_to_enrol_again()), testing::IsEmpty());
    EXPECT_EQ(client.connect("10.99.0.2", 8080), 0);
    EXPECT_EQ(must(datapath->counters())[FSM_COUNTER_LISTENER_MPTCP].value, 2U) << "both families";
    EXPECT_EQ(must(datapath->counters())[FSM_COUNTER_LISTENER_NOT_ENTERED].value, 0U);
}

TEST_F(Mptcp, ListenersThatGoLeaveThePodToSkLookup) {
    Fd inbound = listen_by_mptcp("0.0.0.0", kInbound);
    EXPECT_EQ(must(datapath->enrol(pod.netns(), enrolment())).inbound, InboundMechanism::tc);
    EXPECT_EQ(client.connect("10.99.0.2", 8080), 0);
    inbound.reset();
    inbound = pod.listen({"0.0.0.0", kInbound});
    const BpfMap flows = instance.pinned("fsm_flows");
    const fsm_flow_key open{pod.cookie(), 0, 0};
    must(flows.put(open, fsm_flow{}));
    const EnrolledPod enrolled = must(datapath->enrol(pod.netns(), enrolment()));
    EXPECT_EQ(enrolled.inbound, InboundMechanism::sk_lookup);
    EXPECT_EQ(enrolled.inbound_reason, "");
    EXPECT_TRUE(enrolled.draining) << "a connection that began by tc may still send";
    EXPECT_EQ(client.connect("10.99.0.2", 8080), 0);
    must(flows.remove(open));
    EXPECT_FALSE(must(datapath->enrol(pod.netns(), enrolment())).draining);
    EXPECT_EQ(pod.shell("tc filter show dev between ingress"), "");
}

TEST_F(Mptcp, IsRefusedWhereSkLookupWasAskedFor) {
    const Fd inbound = listen_by_mptcp("0.0.0.0", kInbound);
    PodEnrolment strict = enrolment();
    strict.policy.inbound_mechanism = InboundMechanism::sk_lookup;
    const auto enrolled = datapath->enrol(pod.netns(), strict);
    ASSERT_FALSE(enrolled);
    EXPECT_THAT(enrolled.error().message(),
                testing::AllOf(testing::HasSubstr("MPTCP"), testing::HasSubstr("\"auto\"")));
}

// An outbound listener on 127.0.0.1 to which sk_lookup cannot steer accepts connections to that
// address only.
TEST_F(Mptcp, OutboundListenersOnLoopbackAreReached) {
    const Fd outbound = listen_by_mptcp("127.0.0.1", kOutbound);
    must(datapath->enrol(pod.netns(), enrolment()));
    EXPECT_EQ(pod.connect("10.98.1.77", 80), 0);
}

TEST_F(Mptcp, OutboundListenersOnLoopbackThatComeLaterAreReached) {
    must(datapath->enrol(pod.netns(), enrolment()));
    const Fd outbound = listen_by_mptcp("127.0.0.1", kOutbound);
    EXPECT_EQ(pod.connect("10.98.1.77", 80), 0);
}

}  // namespace
}  // namespace fsm::test
