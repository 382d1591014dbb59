// The sidecar's listening sockets that were there before us: found by sock_diag, taken from their
// process with pidfd_getfd(2), and entered into the map of listeners. Sockets that begin to listen
// later enter it by themselves (sockops).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bpf/abi.h"
#include "common/ip_address.h"
#include "common/netns.h"
#include "common/result.h"
#include "interceptor/datapath/bpf_map.h"

namespace fsm {

struct ListeningSocket {
    IpAddress address;        // what it is bound to; :: for a dual-stack wildcard
    std::uint16_t port = 0;   // host order
    std::uint8_t family = 0;  // AF_INET, AF_INET6
    bool ipv6_only = false;
    bool mptcp = false;  // no socket map takes it
    std::uint64_t inode = 0;
    std::uint64_t cookie = 0;
};

// Every listening TCP socket of the calling thread's network namespace.
Result<std::vector<ListeningSocket>> listening_sockets();

// The ports of one sidecar, per family (0: none).
struct ListenerPorts {
    std::uint16_t outbound4 = 0;
    std::uint16_t inbound4 = 0;
    std::uint16_t outbound6 = 0;
    std::uint16_t inbound6 = 0;
};

// The keys under which a socket is entered, slot 0; none when the sidecar does not use its port.
std::vector<fsm_listener_key> listener_keys(std::uint64_t netns_cookie, const ListenerPorts& ports,
                                            const ListeningSocket& socket);

// The bits of fsm_observed that these sockets account for; `before` are those that are set.
std::uint32_t listeners_seen(const ListenerPorts& ports,
                             const std::vector<ListeningSocket>& sockets, std::uint32_t before);

// Duplicates of other processes' sockets by inode; what no process below `proc` has is missing.
// Processes of `home` are asked first: sockets seldom leave the namespace they were made in.
Result<std::map<std::uint64_t, Fd>> take_sockets(const std::string& proc, NetnsIdentity home,
                                                 std::set<std::uint64_t> inodes);

// Enters the sidecar's sockets that are not in `map`, those by MPTCP left out. Returns the keys
// that were added, so that they can be taken back. A socket that cannot be taken is an error.
Result<std::vector<fsm_listener_key>> take_over_listeners(
    const BpfMap& map, const std::string& proc, NetnsIdentity home, std::uint64_t netns_cookie,
    const ListenerPorts& ports, const std::vector<ListeningSocket>& sockets);

// Whether each of these sockets can be found in the map, as far as there are slots; the error names
// the port of one that cannot.
Result<void> check_listeners(const BpfMap& map, std::uint64_t netns_cookie,
                             const ListenerPorts& ports,
                             const std::vector<ListeningSocket>& sockets);

// The inbound port, of one family, whose only listeners are by MPTCP: sk_lookup has none to steer
// to. 0: there is none.
std::uint16_t port_of_mptcp_alone(const ListenerPorts& ports,
                                  const std::vector<ListeningSocket>& sockets);

// Removes the pod's listeners on those of `ports` that are not among `kept`.
Result<void> forget_listeners(const BpfMap& map, std::uint64_t netns_cookie,
                              const ListenerPorts& ports, const ListenerPorts& kept);
Result<void> remove_listeners(const BpfMap& map, const std::vector<fsm_listener_key>& keys);

}  // namespace fsm
