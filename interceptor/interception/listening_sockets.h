// The listening TCP sockets of a network namespace, by sock_diag.
#pragma once

#include <cstdint>
#include <vector>

#include "common/ip_address.h"
#include "common/netns.h"
#include "common/result.h"

namespace fsm {

struct ListeningSocket {
    IpAddress address;        // what it is bound to; :: for a dual-stack wildcard
    std::uint16_t port = 0;   // host order
    std::uint8_t family = 0;  // AF_INET, AF_INET6
    bool ipv6_only = false;
    bool mptcp = false;  // cannot enter a socket map
    std::uint64_t inode = 0;
    std::uint64_t cookie = 0;
};

// Whether connections of the family reach the socket.
bool serves_v4(const ListeningSocket& socket);
bool serves_v6(const ListeningSocket& socket);

// Those of the calling thread's network namespace.
Result<std::vector<ListeningSocket>> listening_sockets();
// The same inside `netns`.
Result<std::vector<ListeningSocket>> listening_sockets_in(const Netns& netns);

}  // namespace fsm
