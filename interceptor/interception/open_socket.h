// OpenSocket: one end of an open connection of a pod, as the data path finds it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/interception.h"
#include "common/ip_address.h"

namespace fsm {

struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;  // host order

    // "10.1.2.3:80", "[fd00::1]:80".
    std::string to_string() const;
    bool operator==(const Endpoint&) const = default;
};

// What was done with the connection at this end.
enum class EndKind : std::uint8_t {
    plain_client,  // connected to the destination that it asked for
    plain_server,  // accepted by the original destination
    outbound,      // the application's, redirected to the outbound listener
    self_call,     // the sidecar's client end, redirected to its inbound listener
    at_outbound,   // accepted by the outbound listener
    at_self,       // the server end of self_call
    at_inbound,    // accepted by the inbound listener, from outside the pod
};

// The initial sequence numbers: the same at both ends of a connection.
struct ConnectionKey {
    std::uint32_t client = 0;
    std::uint32_t server = 0;

    auto operator<=>(const ConnectionKey&) const = default;
};

struct OpenSocket {
    std::uint64_t netns_cookie = 0;
    std::uint64_t socket_cookie = 0;
    EndKind kind = EndKind::plain_client;
    std::uint8_t state = 0;  // of linux/tcp_states.h
    Endpoint local;
    Endpoint remote;
    std::optional<Endpoint> original;             // absent: it was not redirected
    std::optional<ConnectionKey> key;             // absent: not established
    std::optional<std::chrono::nanoseconds> age;  // since it was established
    std::uint64_t received_by_tcp = 0;            // bytes
    std::uint64_t sent_by_tcp = 0;                // bytes that the other end has
    std::uint64_t redirected = 0;                 // bytes, sent
    std::uint32_t unread = 0;                     // bytes
    std::uint32_t unsent = 0;                     // bytes that the other end does not have
    std::uint32_t uid = 0;                        // as the host sees it
    bool in_mesh = false;                         // its pod is enrolled now
    bool of_sidecar = false;                      // owned by it
    bool accelerated = false;                     // as far as this end goes
    bool knows_peer = false;                      // of an accelerated one
    bool has_ulp = false;                         // such as kTLS
    bool mptcp = false;
    Acceleration scope = Acceleration::off;  // of its pod
    // Of a client's end: the least scope that would accelerate it. Absent: none.
    std::optional<Acceleration> scope_needed;
};

// "ESTABLISHED", as ss(8) and netstat(8) write it.
std::string tcp_state_name(std::uint8_t state);

}  // namespace fsm
