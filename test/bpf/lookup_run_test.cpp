// Which listener sk_lookup's program gives to a connection: for addresses, ports and pods of every
// kind. The kernel lets a test set everything but the interface that a packet came by: what follows
// from that is tested with packets (test/netns/test_security_inbound.py).
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "test/bpf/program_run.h"

namespace fsm::test {
namespace {

using Outcome = std::pair<int, std::uint64_t>;

// A TCP connection that looks for a listener.
struct Question {
    const char* local = "10.1.0.12";
    const char* remote = "10.1.0.11";
    std::uint16_t port = 8080;
    std::uint32_t protocol = IPPROTO_TCP;
};

bpf_sk_lookup context_of(const Question& question) {
    bpf_sk_lookup context{};
    const bool is_v6 = std::strchr(question.local, ':') != nullptr;
    context.family = is_v6 ? AF_INET6 : AF_INET;
    context.protocol = question.protocol;
    context.local_port = question.port;
    context.remote_port = htons(40000);
    if (is_v6) {
        inet_pton(AF_INET6, question.local, context.local_ip6);
        inet_pton(AF_INET6, question.remote, context.remote_ip6);
    } else {
        inet_pton(AF_INET, question.local, &context.local_ip4);
        inet_pton(AF_INET, question.remote, &context.remote_ip4);
    }
    return context;
}

struct Listener {
    Fd socket;
    std::uint64_t cookie = 0;
};

Listener listen_on_any_port(int family) {
    Listener listener{Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    socklen_t size = sizeof(listener.cookie);
    if (::listen(listener.socket.get(), 1) != 0 ||
        getsockopt(listener.socket.get(), SOL_SOCKET, SO_COOKIE, &listener.cookie, &size) != 0) {
        throw std::runtime_error("cannot listen");
    }
    return listener;
}

class LookupRun : public testing::Test {
  protected:
    LookupRun() {
        run.pod().flags = FSM_POD_INBOUND;
        run.write_pod();
    }

    void enter(const Listener& listener, std::uint16_t port, int family, fsm_listener_bind bind,
               std::uint16_t slot = 0) const {
        fsm_listener_key key{};
        key.netns_cookie = ProgramRun::kCookie;
        key.port = port;
        key.family = static_cast<__u8>(family);
        key.bind = static_cast<__u8>(bind);
        key.slot = slot;
        must(run.map("fsm_listeners").put(key, static_cast<std::uint64_t>(listener.socket.get())));
    }
    void enter_all() const {
        enter(inbound4, ProgramRun::kInboundPort, AF_INET, FSM_BIND_POD);
        enter(inbound6, ProgramRun::kInboundPort, AF_INET6, FSM_BIND_POD);
        enter(outbound4, ProgramRun::kOutboundPort, AF_INET, FSM_BIND_LOOPBACK);
    }
    Outcome ask(const Question& question) const { return run.lookup(context_of(question)); }

    static constexpr Outcome kLeftAlone{SK_PASS, 0};
    static constexpr Outcome kRefused{SK_DROP, 0};

    ProgramRun run;
    const Listener inbound4 = listen_on_any_port(AF_INET);
    const Listener inbound6 = listen_on_any_port(AF_INET6);
    const Listener outbound4 = listen_on_any_port(AF_INET);
    const Outcome to_inbound4{SK_PASS, inbound4.cookie};
    const Outcome to_inbound6{SK_PASS, inbound6.cookie};
    const Outcome to_outbound{SK_PASS, outbound4.cookie};
    const Question v6{"fd00:1::c", "fd00:1::b"};
};

TEST_F(LookupRun, GivesTheInboundListenerOfTheFamily) {
    enter_all();
    EXPECT_EQ(ask({}), to_inbound4);
    EXPECT_EQ(ask(v6), to_inbound6);
    for (const std::uint16_t port : Numbers{1, 22, 15001, 15003, 65535}) {
        EXPECT_EQ(ask({.port = port}), to_inbound4) << port;
    }
    EXPECT_EQ(run.counter(FSM_COUNTER_INBOUND_STEERED), 7U);
}

TEST_F(LookupRun, RefusesWhereTheSidecarDoesNotListen) {
    EXPECT_EQ(ask({}), kRefused);
    EXPECT_EQ(ask(v6), kRefused);
    EXPECT_EQ(run.counter(FSM_COUNTER_INBOUND_NO_LISTENER), 2U);
}

TEST_F(LookupRun, FindsAListenerInEachSlot) {
    for (const std::uint16_t slot : Numbers{0, 1, 31, FSM_LISTENER_SLOTS - 1}) {
        enter(inbound4, ProgramRun::kInboundPort, AF_INET, FSM_BIND_POD, slot);
        EXPECT_EQ(ask({}), to_inbound4) << slot;
        fsm_listener_key key{
            ProgramRun::kCookie, ProgramRun::kInboundPort, AF_INET, FSM_BIND_POD, slot, 0};
        must(run.map("fsm_listeners").remove(key));
    }
}

TEST_F(LookupRun, LeavesAloneWhatThePodSaysToItself) {
    enter_all();
    EXPECT_EQ(ask({.remote = "10.1.0.12"}), kLeftAlone);
    EXPECT_EQ(ask({.remote = "127.0.0.6"}), kLeftAlone);
    EXPECT_EQ(ask({.local = "127.0.0.1", .remote = "127.0.0.1"}), kLeftAlone);
    EXPECT_EQ(ask({.local = "fd00:1::c", .remote = "fd00:1::c"}), kLeftAlone);
    EXPECT_EQ(ask({.local = "::1", .remote = "::1"}), kLeftAlone);
}

TEST_F(LookupRun, SpreadLoopbackAddressesLeadToTheOutboundListener) {
    enter_all();
    constexpr std::uint16_t kPort = ProgramRun::kOutboundPort;
    for (const char* address : {"127.0.0.2", "127.1.2.3", "127.255.255.254"}) {
        const Question question{address, "127.0.0.1", kPort};
        EXPECT_EQ(ask(question), to_outbound) << address;
    }
    EXPECT_EQ(ask({"127.0.0.1", "127.0.0.1", kPort}), kLeftAlone);
    EXPECT_EQ(ask({"127.1.2.3", "127.0.0.1", 8080}), kLeftAlone);
    EXPECT_EQ(ask({"::1", "::1", kPort}), kLeftAlone);
}

TEST_F(LookupRun, LeavesOtherPodsAndProtocolsAlone) {
    enter_all();
    EXPECT_EQ(ask({.protocol = IPPROTO_UDP}), kLeftAlone);
    run.pod().flags = FSM_POD_INBOUND | FSM_POD_INBOUND_TC;
    run.write_pod();
    EXPECT_EQ(ask({}), kLeftAlone) << "inbound by tc";
    run.pod().flags = FSM_POD_OUTBOUND;
    run.write_pod();
    EXPECT_EQ(ask({}), kLeftAlone) << "outbound alone";
    run.remove_pod();
    EXPECT_EQ(ask({}), kLeftAlone) << "not enrolled";
}

TEST_F(LookupRun, RefusesWithoutTheProgramThatAllPodsShare) {
    enter_all();
    run.empty_calls("fsm_lookup_calls");
    EXPECT_EQ(ask({}), kRefused);
    EXPECT_EQ(ask({.protocol = IPPROTO_UDP}), kLeftAlone);
}

}  // namespace
}  // namespace fsm::test
