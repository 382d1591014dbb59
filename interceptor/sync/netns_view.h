// NetnsView: the current addresses and interfaces of a network namespace.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/ip_address.h"
#include "common/netns.h"
#include "common/result.h"

namespace fsm {

struct InterfaceAddress {
    std::string interface;
    IpAddress address;
    Cidr network;  // the on-link range of the address
};

struct LinkLocalAddress {
    std::string interface;
    IpAddress address;
};

struct NetnsView {
    std::uint64_t cookie = 0;
    // Without loopback and link-local addresses. Those of the requested interface come first, the
    // others in the kernel's order (by interface index).
    std::vector<InterfaceAddress> addresses;
    // The link-local ones of IPv6.
    std::vector<LinkLocalAddress> link_locals;
    // Every interface but the loopback one.
    std::vector<std::string> interfaces;
    // Broadcast addresses of the interfaces: connect() to one fails with the kernel's own error.
    std::set<IpAddress> broadcasts;
};

// Enters the namespace once, with the calling thread.
Result<NetnsView> inspect_netns(const Netns& netns, const std::string& first_interface);

}  // namespace fsm
