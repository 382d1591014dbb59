// The sidecar's listening sockets: which sockets of a namespace are the sidecar's, their keys in
// fsm_listeners (ListenerBook), their bits for the programs, and how they are duplicated from their
// process (pidfd_getfd(2)).
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

// The keys under which a socket is entered, slot 0; none if its port is not the sidecar's.
std::vector<fsm_listener_key> listener_keys(std::uint64_t netns_cookie, const ListenerPorts& ports,
                                            const ListeningSocket& socket);

// The bits of fsm_observed for these sockets; `before` are those already set.
std::uint32_t listeners_seen(const ListenerPorts& ports,
                             const std::vector<ListeningSocket>& sockets, std::uint32_t before);

// The same as text.
SeenListeners seen_listeners(std::uint32_t seen);

// Duplicates of other processes' sockets, by inode; sockets that no process below `proc` has are
// missing. Processes of `home` are searched first: sockets seldom leave the namespace in which they
// were created.
Result<std::map<std::uint64_t, Fd>> take_sockets(const std::string& proc, NetnsIdentity home,
                                                 std::set<std::uint64_t> inodes);

// The inbound port, of one family, with MPTCP listeners only, to which sk_lookup cannot steer. 0:
// there is none.
std::uint16_t mptcp_only_port(const ListenerPorts& ports,
                              const std::vector<ListeningSocket>& sockets);

}  // namespace fsm
