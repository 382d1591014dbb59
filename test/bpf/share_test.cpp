// One pod cannot starve the others: it fills its own share of each shared map, while another pod's
// connections continue.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "bpf/abi.h"
#include "interceptor/datapath/policy.h"
#include "test/bpf/instance.h"
#include "test/bpf/pod_namespace.h"

namespace fsm::test {
namespace {

constexpr int kOriginalDst = 80;  // SO_ORIGINAL_DST of linux/netfilter_ipv4.h
// Of 4096 connections (Instance) a pod may have an eighth.
constexpr std::uint64_t kShare = 512;

class Share : public testing::Test {
  protected:
    Instance instance;
    PodNamespace greedy{"10.98.1.2"};
    PodNamespace other{"10.98.1.3"};
    std::unique_ptr<Datapath> datapath = instance.open();

    fsm_usage usage(const PodNamespace& pod) const {
        return *must(instance.pinned("fsm_usage").lookup<std::uint64_t, fsm_usage>(pod.cookie()));
    }
    std::uint64_t counter(fsm_counter which) const {
        return must(datapath->counters())[which].value;
    }
};

// Open connections of an application to its sidecar.
class Connections : public Share {
  protected:
    Fd greedy_sidecar = listen(greedy);
    Fd other_sidecar = listen(other);

    void SetUp() override {
        const rlimit many{8192, 8192};
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &many), 0);
        for (const PodNamespace* pod : {&greedy, &other}) {
            PodEnrolment enrolment = pod->enrolment();
            // A connection that waits for its first message keeps its handshake.
            enrolment.policy.acceleration = Acceleration::full;
            must(datapath->enrol(pod->netns(), enrolment));
        }
    }

    static Fd listen(const PodNamespace& pod) {
        Fd socket;
        pod.run([&] {
            socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_port = htons(kOutbound);
            EXPECT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)),
                      0);
            EXPECT_EQ(::listen(socket.get(), 2048), 0);
        });
        return socket;
    }

    static Fd connect(const PodNamespace& pod, int host, int expected_error = 0) {
        Fd socket;
        pod.run([&] {
            socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_port = htons(80);
            address.sin_addr.s_addr = htonl(0x0a636300U + static_cast<unsigned>(host));
            const int failed =
                ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
            EXPECT_EQ(failed == 0 ? 0 : errno, expected_error);
        });
        return socket;
    }

    // The original destination of the next accepted connection; 0 if unknown.
    static std::uint32_t accept_and_ask(const Fd& sidecar) {
        const Fd accepted(accept4(sidecar.get(), nullptr, nullptr, SOCK_CLOEXEC));
        sockaddr_in original{};
        socklen_t length = sizeof(original);
        return accepted && getsockopt(accepted.get(), SOL_IP, kOriginalDst, &original, &length) == 0
                   ? ntohl(original.sin_addr.s_addr)
                   : 0;
    }
};

// The ring buffer is the process's own.
class RefusedConnections : public Connections {
  protected:
    // Nothing accepts them: each keeps its handshake.
    void refuse() {
        fsm_usage full{};
        full.handshakes = static_cast<int>(kShare);
        must(instance.pinned("fsm_usage").put(greedy.cookie(), full));
        for (int number = 0; number < 3; ++number) {
            connect(greedy, 1, EPERM);
        }
    }
};

TEST_F(RefusedConnections, AreToldWithTheirPod) {
    EXPECT_TRUE(datapath->take_events().empty());
    refuse();
    const auto events = datapath->take_events();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events.front().netns_cookie, greedy.cookie());
    EXPECT_EQ(events.front().times, 3U);
    EXPECT_THAT(events.front().what, testing::HasSubstr("maxConnections"));
    EXPECT_TRUE(datapath->take_events().empty()) << "once";
}

TEST_F(RefusedConnections, AreToldToTheNextInterceptorToo) {
    datapath.reset();
    refuse();
    datapath = instance.open();
    EXPECT_TRUE(datapath->take_events().empty()) << "the ring buffer of the former one is gone";
    refuse();
    EXPECT_EQ(datapath->take_events().size(), 1U);
}

TEST_F(RefusedConnections, AreCountedWhereEventsAreDisabled) {
    datapath.reset();
    instance.options.disabled_features = {Feature::events};
    datapath = instance.open();
    const auto before = counter(FSM_COUNTER_HANDSHAKE_OVER_SHARE);
    refuse();
    EXPECT_EQ(counter(FSM_COUNTER_HANDSHAKE_OVER_SHARE), before + 3);
    EXPECT_TRUE(datapath->take_events().empty());
}

TEST_F(Connections, WithoutEndLoseTheirOwnAcceleration) {
    std::vector<Fd> open;
    for (int number = 0; number < 1200; ++number) {
        open.push_back(connect(greedy, 1 + number % 200));
        if (number % 50 == 0) {
            const Fd one = connect(other, 1);
            EXPECT_EQ(accept_and_ask(other_sidecar), 0x0a636301U) << number;
        }
    }
    EXPECT_EQ(usage(greedy).handshakes, static_cast<int>(kShare / 2));
    EXPECT_LE(usage(greedy).sockets, static_cast<int>(2 * kShare));
    for (int number = 0; number < 1200; ++number) {
        EXPECT_EQ(accept_and_ask(greedy_sidecar),
                  0x0a636300U + 1U + static_cast<unsigned>(number) % 200U);
    }
    EXPECT_EQ(counter(FSM_COUNTER_HANDSHAKE_FULL), 0U);
    open.clear();
    EXPECT_EQ(usage(greedy).handshakes, 0) << "all is given back";
    EXPECT_EQ(usage(greedy).sockets, 0);
    EXPECT_EQ(usage(other).handshakes, 0);
    EXPECT_EQ(usage(other).sockets, 0);
    EXPECT_EQ(must(instance.pinned("fsm_handshakes").count()), 0U);
}

TEST_F(Connections, ThatExceedThePodsShareAreCounted) {
    const BpfMap usages = instance.pinned("fsm_usage");
    must(usages.put(greedy.cookie(), fsm_usage{static_cast<int>(kShare), 0}));
    const Fd refused = connect(greedy, 1, EPERM);
    EXPECT_EQ(counter(FSM_COUNTER_HANDSHAKE_OVER_SHARE), 1U);
    must(usages.put(greedy.cookie(), fsm_usage{0, static_cast<int>(2 * kShare)}));
    const Fd plain = connect(greedy, 2);
    EXPECT_GE(counter(FSM_COUNTER_SOCKET_OVER_SHARE), 1U);
    EXPECT_EQ(accept_and_ask(greedy_sidecar), 0x0a636302U) << "it goes by TCP";
}

// Runs a shared tc program on one packet, as called by a pod's program.
class TcRun {
  public:
    explicit TcRun(std::uint32_t program) : program_(bpf_prog_get_fd_by_id(program)) {}

    int syn(std::uint64_t pod, const IpAddress& to, std::uint32_t from, std::uint16_t port) const {
        std::array<char, 14 + 20 + 20 + 32> packet{};
        auto& ethernet = reinterpret_cast<ethhdr&>(packet[0]);
        ethernet.h_proto = htons(ETH_P_IP);
        iphdr ip{};
        ip.version = 4;
        ip.ihl = 5;
        ip.tot_len = htons(40);
        ip.ttl = 64;
        ip.protocol = IPPROTO_TCP;
        ip.saddr = htonl(from);
        ip.daddr = to.v4_network_order();
        tcphdr tcp{};
        tcp.source = htons(port);
        tcp.dest = htons(8080);
        tcp.doff = 5;
        tcp.syn = 1;
        std::memcpy(&packet[14], &ip, sizeof(ip));
        std::memcpy(&packet[34], &tcp, sizeof(tcp));
        __sk_buff context{};
        context.cb[0] = static_cast<std::uint32_t>(pod);
        context.cb[1] = static_cast<std::uint32_t>(pod >> 32U);
        LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet.data(),
                    .data_size_in = static_cast<std::uint32_t>(packet.size()), .ctx_in = &context,
                    .ctx_size_in = sizeof(context));
        const int failed = bpf_prog_test_run_opts(program_.get(), &options);
        return failed != 0 ? failed : static_cast<int>(options.retval);
    }

  private:
    Fd program_;
};

class Syns : public Share {
  protected:
    void SetUp() override {
        for (const PodNamespace* pod : {&greedy, &other}) {
            PodEnrolment enrolment = pod->enrolment();
            enrolment.policy.inbound_mechanism = InboundMechanism::tc;
            must(datapath->enrol(pod->netns(), enrolment));
        }
    }
    std::uint32_t program(const char* name) const {
        const auto programs = must(datapath->programs());
        return std::find_if(programs.begin(), programs.end(),
                            [&](const DatapathProgram& one) { return one.name == name; })
            ->id;
    }
    std::uint64_t flows_of(const PodNamespace& pod) const {
        const auto flows = must(instance.pinned("fsm_flows").entries<fsm_flow_key, fsm_flow>());
        return static_cast<std::uint64_t>(std::count_if(
            flows.begin(), flows.end(),
            [&](const auto& flow) { return flow.first.netns_cookie == pod.cookie(); }));
    }
};

TEST_F(Syns, InAFloodDisplaceFlowsOfTheirOwnPodAlone) {
    const TcRun ingress(program("fsm_tc_in"));
    const IpAddress to_other = other.enrolment().addresses[0];
    const IpAddress to_greedy = greedy.enrolment().addresses[0];
    for (std::uint16_t port = 1; port <= 64; ++port) {
        ASSERT_EQ(ingress.syn(other.cookie(), to_other, 0x0a000001U, port), -1) << "TC_ACT_UNSPEC";
    }
    const std::uint64_t before = flows_of(other);
    EXPECT_EQ(before, 64U);
    for (unsigned syn = 0; syn < 20000; ++syn) {
        ASSERT_EQ(ingress.syn(greedy.cookie(), to_greedy, 0x0b000000U + syn,
                              static_cast<std::uint16_t>(1 + syn % 60000)),
                  -1);
    }
    EXPECT_LE(flows_of(greedy), kShare);
    EXPECT_GT(flows_of(greedy), kShare / 2);
    EXPECT_EQ(flows_of(other), before);
}

}  // namespace
}  // namespace fsm::test
