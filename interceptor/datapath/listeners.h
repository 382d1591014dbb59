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
#include "common/netns.h"
#include "common/result.h"
#include "interceptor/datapath/bpf_map.h"
#include "interceptor/interception/enrolment.h"
#include "interceptor/interception/listening_sockets.h"

namespace fsm {

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

// The same in words.
SeenListeners seen_listeners(std::uint32_t seen);

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
