// Connection: the open sockets of the node's pods, put together to connections, and why a
// connection is not accelerated.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "interceptor/interception/open_socket.h"

namespace fsm {

// At least one of the two ends is there. The other one is absent if it is on another node or
// outside of the mesh, or if it was established before its pod was enrolled.
struct Connection {
    std::optional<OpenSocket> client;
    std::optional<OpenSocket> server;

    const OpenSocket& known_end() const { return client ? *client : *server; }
    // Both ends are in the socket map: messages are redirected.
    bool is_accelerated() const {
        return client && server && client->accelerated && server->accelerated;
    }
    // What its client's process asked for: the original destination.
    Endpoint destination() const;
};

// "outbound": from an application to the outbound listener of its sidecar; "inbound": to an inbound
// listener from outside its pod; "self-call": from a sidecar to its own inbound listener; "plain":
// not redirected.
const char* kind_name(const Connection& connection);

// The two ends of a connection are those with the same initial sequence numbers.
std::vector<Connection> pair_ends(std::vector<OpenSocket> sockets);

// Why it is not accelerated, or how it is, as a sentence without a full stop.
std::string acceleration_reason(const Connection& connection);

}  // namespace fsm
