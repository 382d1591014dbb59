#include "interceptor/datapath/listeners.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>

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

// The slot that a socket is in, or the first free one.
struct SlotSearch {
    bool present = false;
    std::optional<std::uint16_t> free;
};

Result<SlotSearch> search_slots(const BpfMap& map, fsm_listener_key key, std::uint64_t cookie) {
    SlotSearch search;
    for (std::uint16_t slot = 0; slot < FSM_LISTENER_SLOTS; ++slot) {
        key.slot = slot;
        // A socket map answers a look-up from user space with the socket's cookie.
        FSM_ASSIGN(const auto entered, (map.lookup<fsm_listener_key, std::uint64_t>(key)));
        if (entered && *entered == cookie) {
            search.present = true;
            return search;
        }
        if (!entered && !search.free) {
            search.free = slot;
        }
    }
    return search;
}

// The key with the slot that the socket was entered in; nothing when it was there already.
Result<std::optional<fsm_listener_key>> enter(const BpfMap& map, fsm_listener_key key,
                                              std::uint64_t cookie, int socket) {
    const auto value = static_cast<std::uint64_t>(socket);
    for (;;) {
        FSM_ASSIGN(const SlotSearch search, search_slots(map, key, cookie));
        if (search.present) {
            return std::optional<fsm_listener_key>();
        }
        if (!search.free) {
            return Error("enter a listener of port " + std::to_string(key.port) + ": all " +
                             std::to_string(FSM_LISTENER_SLOTS) + " slots are taken",
                         ENOSPC);
        }
        key.slot = *search.free;
        FSM_ASSIGN(const bool entered, map.put_new(key, value));
        if (entered) {
            return std::optional<fsm_listener_key>(key);
        }
    }
}

// More sockets than slots are no loss: connections reach the others of a SO_REUSEPORT group through
// any of its members.
bool is_full_group(const Error& error) {
    return error.errno_value() == ENOSPC;
}

Result<void> forget_port(const BpfMap& map, std::uint64_t netns_cookie, std::uint16_t port) {
    for (const int family : {AF_INET, AF_INET6}) {
        for (const fsm_listener_bind bind : {FSM_BIND_POD, FSM_BIND_LOOPBACK}) {
            fsm_listener_key key{};
            key.netns_cookie = netns_cookie;
            key.port = port;
            key.family = static_cast<std::uint8_t>(family);
            key.bind = bind;
            for (key.slot = 0; key.slot < FSM_LISTENER_SLOTS; ++key.slot) {
                FSM_TRY(map.remove(key));
            }
        }
    }
    return {};
}

struct Wanted {
    const ListeningSocket* socket;
    fsm_listener_key key;
};

// Sidecar sockets that are not entered yet.
Result<std::vector<Wanted>> missing_listeners(const BpfMap& map, std::uint64_t netns_cookie,
                                              const ListenerPorts& ports,
                                              const std::vector<ListeningSocket>& sockets) {
    std::vector<Wanted> missing;
    for (const ListeningSocket& socket : sockets) {
        if (socket.mptcp) {
            continue;
        }
        for (const fsm_listener_key& key : listener_keys(netns_cookie, ports, socket)) {
            FSM_ASSIGN(const SlotSearch search, search_slots(map, key, socket.cookie));
            if (!search.present && search.free) {
                missing.push_back({&socket, key});
            }
        }
    }
    return missing;
}

Result<void> enter_all(const BpfMap& map, const std::vector<Wanted>& wanted,
                       const std::map<std::uint64_t, Fd>& taken,
                       std::vector<fsm_listener_key>& added) {
    for (const Wanted& listener : wanted) {
        const auto found = taken.find(listener.socket->inode);
        if (found == taken.end()) {
            return Error("the sidecar's listener on port " + std::to_string(listener.key.port) +
                         " belongs to no process that can be seen");
        }
        auto entered = enter(map, listener.key, listener.socket->cookie, found->second.get());
        if (!entered && is_full_group(entered.error())) {
            continue;
        }
        if (!entered) {
            return std::move(entered.error());
        }
        if (*entered) {
            added.push_back(**entered);
        }
    }
    return {};
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
    // With several, the wildcard one takes every 127.x, and what sk_lookup can steer to comes next.
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

Result<std::vector<fsm_listener_key>> take_over_listeners(
    const BpfMap& map, const std::string& proc, NetnsIdentity home, std::uint64_t netns_cookie,
    const ListenerPorts& ports, const std::vector<ListeningSocket>& sockets) {
    std::vector<fsm_listener_key> added;
    FSM_ASSIGN(const std::vector<Wanted> missing,
               missing_listeners(map, netns_cookie, ports, sockets));
    std::set<std::uint64_t> inodes;
    for (const Wanted& listener : missing) {
        inodes.insert(listener.socket->inode);
    }
    FSM_ASSIGN(const auto taken, take_sockets(proc, home, inodes));
    auto entered = enter_all(map, missing, taken, added);
    if (!entered) {
        FSM_TRY(remove_listeners(map, added));
        return std::move(entered.error());
    }
    return added;
}

Result<void> check_listeners(const BpfMap& map, std::uint64_t netns_cookie,
                             const ListenerPorts& ports,
                             const std::vector<ListeningSocket>& sockets) {
    FSM_ASSIGN(const std::vector<Wanted> missing,
               missing_listeners(map, netns_cookie, ports, sockets));
    if (!missing.empty()) {
        return Error("the sidecar's listener on port " + std::to_string(missing.front().key.port) +
                     " is not in the map of listeners");
    }
    return {};
}

std::uint16_t port_of_mptcp_alone(const ListenerPorts& ports,
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

// By the keys that the pod can have: the map has those of all pods.
Result<void> forget_listeners(const BpfMap& map, std::uint64_t netns_cookie,
                              const ListenerPorts& ports, const ListenerPorts& kept) {
    const std::set<std::uint16_t> kept_ports = {kept.outbound4, kept.inbound4, kept.outbound6,
                                                kept.inbound6};
    const std::set<std::uint16_t> had_ports = {ports.outbound4, ports.inbound4, ports.outbound6,
                                               ports.inbound6};
    for (const std::uint16_t port : had_ports) {
        if (port != 0 && !kept_ports.contains(port)) {
            FSM_TRY(forget_port(map, netns_cookie, port));
        }
    }
    return {};
}

Result<void> remove_listeners(const BpfMap& map, const std::vector<fsm_listener_key>& keys) {
    for (const fsm_listener_key& key : keys) {
        FSM_TRY(map.remove(key));
    }
    return {};
}

}  // namespace fsm
