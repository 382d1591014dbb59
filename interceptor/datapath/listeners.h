// The sidecar's listening sockets: which of a namespace's they are, under which keys they stand in
// the map of listeners (ListenerBook), what the programs may assume when they are there, and how
// they are taken from their process (pidfd_getfd(2)).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bpf/abi.h"
#include "common/fd.h"
#include "common/netns.h"
#include "common/result.h"
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

// The inbound port, of one family, whose only listeners are by MPTCP: sk_lookup has none to steer
// to. 0: there is none.
std::uint16_t port_of_mptcp_alone(const ListenerPorts& ports,
                                  const std::vector<ListeningSocket>& sockets);

}  // namespace fsm
