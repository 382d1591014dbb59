#include "interceptor/interception/connections.h"

#include <cstddef>
#include <map>
#include <utility>

namespace fsm {
namespace {

bool is_client(EndKind kind) {
    return kind == EndKind::plain_client || kind == EndKind::outbound || kind == EndKind::self_call;
}

std::string name_of(Acceleration scope) {
    return "`" + std::string(to_string(scope)) + "`";
}

// Both are there.
std::string reason_of_pair(const OpenSocket& client, const OpenSocket& server) {
    if (client.accelerated && server.accelerated) {
        return client.knows_peer ? "messages go from socket to socket"
                                 : "messages go from socket to socket from the client's first on";
    }
    if (client.accelerated && client.scope_needed && server.scope < *client.scope_needed) {
        return "acceleration of the server's pod is " + name_of(server.scope) + ", it needs " +
               name_of(*client.scope_needed);
    }
    return "it was established under other settings, or the pod's share of accelerated sockets "
           "(an eighth of maxConnections) was used up";
}

std::string reason_of_client(const OpenSocket& client) {
    if (!client.in_mesh) {
        return "the client's pod is not in the mesh any more";
    }
    if (client.kind == EndKind::plain_client && !client.of_sidecar) {
        return "no sidecar is at its client's end";
    }
    if (!client.scope_needed) {
        return "its other end is not the inbound listener of an accelerated pod of this node";
    }
    if (client.scope < *client.scope_needed) {
        return "acceleration of the pod is " + name_of(client.scope) + ", it needs " +
               name_of(*client.scope_needed);
    }
    return {};
}

}  // namespace

Endpoint Connection::destination() const {
    if (client && client->original) {
        return *client->original;
    }
    if (server && server->original) {
        return *server->original;
    }
    return client ? client->remote : server->local;
}

const char* kind_name(const Connection& connection) {
    const EndKind client = connection.client ? connection.client->kind : EndKind::plain_client;
    const EndKind server = connection.server ? connection.server->kind : EndKind::plain_server;
    if (client == EndKind::outbound || server == EndKind::at_outbound) {
        return "outbound";
    }
    if (client == EndKind::self_call || server == EndKind::at_self) {
        return "self-call";
    }
    return server == EndKind::at_inbound ? "inbound" : "plain";
}

std::vector<Connection> pair_ends(std::vector<OpenSocket> sockets) {
    std::vector<Connection> connections;
    std::map<ConnectionKey, std::size_t> by_key;  // those without a server's end yet
    for (OpenSocket& socket : sockets) {
        if (is_client(socket.kind)) {
            if (socket.key) {
                by_key.emplace(*socket.key, connections.size());
            }
            connections.push_back({std::move(socket), std::nullopt});
        }
    }
    for (OpenSocket& socket : sockets) {
        if (is_client(socket.kind)) {
            continue;  // moved from
        }
        const auto found = socket.key ? by_key.find(*socket.key) : by_key.end();
        if (found == by_key.end()) {
            connections.push_back({std::nullopt, std::move(socket)});
        } else {
            connections[found->second].server = std::move(socket);
            by_key.erase(found);
        }
    }
    return connections;
}

std::string acceleration_reason(const Connection& connection) {
    const auto& [client, server] = connection;
    const OpenSocket& end = connection.known_end();
    if (!end.age) {
        return "it is not established";
    }
    if (!connection.is_accelerated()) {
        if ((client && client->has_ulp) || (server && server->has_ulp)) {
            return "a socket has an upper-layer protocol, such as kTLS";
        }
        if ((client && client->mptcp) || (server && server->mptcp)) {
            return "it is a connection by MPTCP";
        }
    }
    if (!client) {
        return "its client's end is not a known socket of a pod of this node";
    }
    if (!client->accelerated) {
        if (auto reason = reason_of_client(*client); !reason.empty()) {
            return reason;
        }
    }
    return server ? reason_of_pair(*client, *server)
                  : "its server's end is not a known socket of a pod of this node";
}

}  // namespace fsm
