// Sockets put together to connections, and why a connection is not accelerated.
#include "interceptor/interception/connections.h"

#include <gmock/gmock.h>

namespace fsm {
namespace {

using testing::HasSubstr;

OpenSocket socket_of(EndKind kind, std::uint32_t sequence_number) {
    OpenSocket socket;
    socket.kind = kind;
    socket.local = {*IpAddress::parse("10.1.0.5"), 4000};
    socket.remote = {*IpAddress::parse("10.1.0.6"), 80};
    socket.key = ConnectionKey{sequence_number, sequence_number + 1};
    socket.age = std::chrono::seconds(1);
    socket.in_mesh = true;
    return socket;
}

OpenSocket sidecars_client() {
    OpenSocket client = socket_of(EndKind::plain_client, 1);
    client.of_sidecar = true;
    client.scope = Acceleration::sidecar;
    client.scope_needed = Acceleration::sidecar;
    return client;
}

TEST(Pairing, JoinsTheEndsWithTheSameSequenceNumbers) {
    const auto pairs =
        pair_ends({socket_of(EndKind::at_outbound, 1), socket_of(EndKind::outbound, 2),
                   socket_of(EndKind::outbound, 1), socket_of(EndKind::at_inbound, 3)});
    ASSERT_EQ(pairs.size(), 3U);
    EXPECT_TRUE(pairs[0].client && !pairs[0].server);
    EXPECT_TRUE(pairs[1].client && pairs[1].server);
    EXPECT_EQ(pairs[1].server->kind, EndKind::at_outbound);
    EXPECT_TRUE(!pairs[2].client && pairs[2].server);
}

TEST(Pairing, LeavesSocketsAloneThatAreNotEstablished) {
    OpenSocket connecting = socket_of(EndKind::outbound, 1);
    connecting.key.reset();
    OpenSocket other = socket_of(EndKind::at_outbound, 0);
    other.key.reset();
    EXPECT_EQ(pair_ends({connecting, other}).size(), 2U);
}

TEST(Kinds, AreThoseOfTheRedirectedEnd) {
    const auto kind = [](EndKind client, EndKind server) {
        return std::string(kind_name({socket_of(client, 1), socket_of(server, 1)}));
    };
    EXPECT_EQ(kind(EndKind::outbound, EndKind::at_outbound), "outbound");
    EXPECT_EQ(kind(EndKind::outbound, EndKind::plain_server), "outbound");
    EXPECT_EQ(kind(EndKind::self_call, EndKind::at_self), "self-call");
    EXPECT_EQ(kind(EndKind::plain_client, EndKind::at_inbound), "inbound");
    EXPECT_EQ(kind(EndKind::plain_client, EndKind::plain_server), "plain");
    EXPECT_STREQ(kind_name({std::nullopt, socket_of(EndKind::at_inbound, 1)}), "inbound");
}

TEST(Destinations, AreTheOriginalOnes) {
    Connection connection{socket_of(EndKind::plain_client, 1), socket_of(EndKind::at_inbound, 1)};
    EXPECT_EQ(connection.destination().to_string(), "10.1.0.6:80");
    connection.server->original = Endpoint{*IpAddress::parse("fd00::6"), 8080};
    EXPECT_EQ(connection.destination().to_string(), "[fd00::6]:8080");
}

std::string reason(const OpenSocket& client, const std::optional<OpenSocket>& server) {
    const Connection connection{client, server};
    EXPECT_FALSE(connection.is_accelerated());
    return acceleration_reason(connection);
}

TEST(Reasons, NameWhatIsInTheWayOfAcceleration) {
    OpenSocket client = sidecars_client();
    OpenSocket server = socket_of(EndKind::at_inbound, 1);
    client.scope = Acceleration::off;
    EXPECT_THAT(reason(client, server), HasSubstr("is `off`, it needs `sidecar`"));
    client.scope_needed.reset();
    EXPECT_THAT(reason(client, server), HasSubstr("accelerated pod of this node"));
    client.of_sidecar = false;
    EXPECT_THAT(reason(client, server), HasSubstr("no sidecar"));
    client.in_mesh = false;
    EXPECT_THAT(reason(client, server), HasSubstr("not in the mesh any more"));
    client.mptcp = true;
    EXPECT_THAT(reason(client, server), HasSubstr("MPTCP"));
    server.has_ulp = true;
    EXPECT_THAT(reason(client, server), HasSubstr("kTLS"));
    client.age.reset();
    EXPECT_THAT(reason(client, server), HasSubstr("not established"));
}

TEST(Reasons, OfAnEndThatTheOtherDoesNotJoin) {
    OpenSocket client = sidecars_client();
    client.accelerated = true;
    EXPECT_THAT(reason(client, std::nullopt), HasSubstr("server's end is not a known socket"));
    OpenSocket server = socket_of(EndKind::at_inbound, 1);
    EXPECT_THAT(reason(client, server), HasSubstr("the server's pod is `off`"));
    server.scope = Acceleration::sidecar;
    EXPECT_THAT(reason(client, server), HasSubstr("maxConnections"));
    EXPECT_THAT(acceleration_reason({std::nullopt, server}), HasSubstr("client's end"));
}

TEST(Reasons, OfAnAcceleratedConnection) {
    OpenSocket client = sidecars_client();
    OpenSocket server = socket_of(EndKind::at_inbound, 1);
    client.accelerated = server.accelerated = true;
    EXPECT_THAT(acceleration_reason({client, server}), HasSubstr("first on"));
    client.knows_peer = true;
    EXPECT_EQ(acceleration_reason({client, server}), "messages go from socket to socket");
}

TEST(States, HaveTheNamesOfTheKernel) {
    EXPECT_EQ(tcp_state_name(1), "ESTABLISHED");
    EXPECT_EQ(tcp_state_name(8), "CLOSE_WAIT");
    EXPECT_EQ(tcp_state_name(200), "state 200");
}

}  // namespace
}  // namespace fsm
