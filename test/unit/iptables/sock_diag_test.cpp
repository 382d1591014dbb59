#include "interceptor/interception/sock_diag.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "common/fd.h"
#include "test/unit/sync/test_netns.h"

namespace fsm {
namespace {

using testing::TestNetns;

struct Pair {
    Fd client;
    Fd server;
};

// A connection over the loopback of the calling thread's network namespace.
Pair connection_to(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    Pair pair;
    pair.client = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(listener.get(), name, sizeof(address)), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    EXPECT_EQ(connect(pair.client.get(), name, sizeof(address)), 0);
    pair.server = Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return pair;
}

int error_of_read(const Fd& socket) {
    std::array<char, 1> byte{};
    return recv(socket.get(), byte.data(), byte.size(), MSG_DONTWAIT) < 0 ? errno : 0;
}

class SockDiagTest : public ::testing::Test {
  protected:
    void inside(const std::function<void()>& work) const {
        const auto netns = Netns::open(pod_.path());
        ASSERT_TRUE(netns);
        ASSERT_TRUE(netns->run(work));
    }

    const TestNetns pod_{{"link set lo up"}};
};

TEST_F(SockDiagTest, OnlyTheChosenConnectionsAreReset) {
    inside([] {
        const Pair cut = connection_to(15003);
        const Pair spared = connection_to(8080);
        const auto ended = abort_connections([](const TcpConnection& connection) {
            return connection.local_port() == 15003 && connection.local().is_loopback() &&
                   connection.remote().is_loopback();
        });
        ASSERT_TRUE(ended) << ended.error().message();
        EXPECT_EQ(*ended, 1U);
        EXPECT_EQ(error_of_read(cut.server), ECONNABORTED);
        EXPECT_EQ(error_of_read(cut.client), ECONNRESET);
        EXPECT_EQ(error_of_read(spared.server), EAGAIN);
        EXPECT_EQ(error_of_read(spared.client), EAGAIN);
    });
}

TEST_F(SockDiagTest, ANamespaceWithoutSocketsIsNotAskedForThem) {
    inside([] {
        EXPECT_FALSE(may_have_tcp_sockets());
        const auto ended = abort_connections([](const TcpConnection&) { return true; });
        ASSERT_TRUE(ended);
        EXPECT_EQ(*ended, 0U);
        const Pair pair = connection_to(8080);
        EXPECT_TRUE(may_have_tcp_sockets());
    });
}

}  // namespace
}  // namespace fsm
