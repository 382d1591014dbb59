#include "interceptor/datapath/listeners.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>

namespace fsm {
namespace {

fsm_listener_key make_key(std::uint64_t netns_cookie, std::uint8_t family,
                          const ListeningSocket& socket) {
    fsm_listener_key key{};
    key.netns_cookie = netns_cookie;
    key.port = socket.port;
    key.family = family;
    key.bind = socket.address.is_loopback() ? FSM_BIND_LOOPBACK : FSM_BIND_POD;
    return key;
}

}  // namespace

std::vector<fsm_listener_key> listener_keys(std::uint64_t netns_cookie, const ListenerPorts& ports,
                                            const ListeningSocket& socket) {
    std::vector<fsm_listener_key> keys;
    if (socket.port == 0) {
        return keys;
    }
    if (serves_v4(socket) && (socket.port == ports.outbound4 || socket.port == ports.inbound4)) {
        keys.push_back(make_key(netns_cookie, AF_INET, socket));
    }
    if (serves_v6(socket) && (socket.port == ports.outbound6 || socket.port == ports.inbound6)) {
        keys.push_back(make_key(netns_cookie, AF_INET6, socket));
    }
    return keys;
}

std::uint32_t listeners_seen(const ListenerPorts& ports,
                             const std::vector<ListeningSocket>& sockets, std::uint32_t before) {
    std::uint32_t outbound4 = 0;
    std::uint32_t others = 0;
    for (const ListeningSocket& socket : sockets) {
        for (const fsm_listener_key& key : listener_keys(0, ports, socket)) {
            if (key.family == AF_INET6) {
                others |= key.port == ports.outbound6 ? FSM_SEEN_OUT6 : FSM_SEEN_IN6;
            } else if (key.port == ports.inbound4) {
                others |= FSM_SEEN_IN4;
            } else if (key.bind == FSM_BIND_LOOPBACK) {
                outbound4 |= socket.mptcp ? FSM_SEEN_OUT4_FIXED : FSM_SEEN_OUT4_LOOPBACK;
            } else if (socket.address.is_unspecified()) {
                outbound4 |= FSM_SEEN_OUT4_WILDCARD;
            }
        }
    }
    // If there are several, the wildcard one accepts every 127.x; the next choice is one to which
    // sk_lookup can steer.
    for (const std::uint32_t best : {FSM_SEEN_OUT4_WILDCARD, FSM_SEEN_OUT4_LOOPBACK}) {
        if ((outbound4 & best) != 0) {
            outbound4 = best;
            break;
        }
    }
    const std::uint32_t kept = outbound4 == 0 ? before : before & ~FSM_SEEN_OUT4;
    return kept | outbound4 | others;
}

SeenListeners seen_listeners(std::uint32_t seen) {
    return {(seen & FSM_SEEN_OUT4) != 0, (seen & FSM_SEEN_OUT6) != 0, (seen & FSM_SEEN_IN4) != 0,
            (seen & FSM_SEEN_IN6) != 0};
}

std::uint16_t mptcp_only_port(const ListenerPorts& ports,
                              const std::vector<ListeningSocket>& sockets) {
    struct Kinds {
        bool mptcp = false;
        bool other = false;
    };
    std::map<std::pair<std::uint8_t, std::uint16_t>, Kinds> inbound;
    for (const ListeningSocket& socket : sockets) {
        for (const fsm_listener_key& key : listener_keys(0, ports, socket)) {
            if (key.port == ports.inbound4 || key.port == ports.inbound6) {
                Kinds& kinds = inbound[{key.family, key.port}];
                (socket.mptcp ? kinds.mptcp : kinds.other) = true;
            }
        }
    }
    for (const auto& [place, kinds] : inbound) {
        if (kinds.mptcp && !kinds.other) {
            return place.second;
        }
    }
    return 0;
}

}  // namespace fsm
