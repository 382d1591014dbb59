// TCP sockets as listed by the kernel (sock_diag(7)), and a way to end one from outside.
//
// Everything here works in the calling thread's network namespace.
#pragma once

#include <linux/inet_diag.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>

#include "common/ip_address.h"
#include "common/result.h"

namespace fsm {

// Calls `each` with every TCP socket of both families in one of `states` (bits 1 << TCP_…): the
// message carries an inet_diag_msg and its attributes.
Result<void> for_each_tcp_socket(std::uint32_t states,
                                 const std::function<void(const nlmsghdr&)>& each);

IpAddress local_address(const inet_diag_msg& socket);

// False only if the namespace has no TCP socket in use (TIME_WAIT does not count). Cheap, while a
// list makes the kernel walk the sockets of the whole machine.
bool may_have_tcp_sockets();

// One end of a connection.
struct TcpConnection {
    std::uint8_t family = 0;  // of the socket: AF_INET, AF_INET6
    inet_diag_sockid id{};    // addresses and ports in network byte order

    IpAddress local() const;
    IpAddress remote() const;
    std::uint16_t local_port() const;  // host order
};

// Ends the connections that `chosen` selects: the owner of the socket gets ECONNABORTED, the other
// end a reset. TIME_WAIT is not affected. Returns the number of ended ones: 0 on a kernel without
// CONFIG_INET_DIAG_DESTROY, where nothing happens.
Result<std::size_t> abort_connections(const std::function<bool(const TcpConnection&)>& chosen);

}  // namespace fsm
