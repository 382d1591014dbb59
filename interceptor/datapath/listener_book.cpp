#include "interceptor/datapath/listener_book.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <set>

namespace fsm {
namespace {

// More sockets than slots lose nothing: the others of a SO_REUSEPORT group are reached through any
// of its members.
bool is_full_group(const Error& error) {
    return error.errno_value() == ENOSPC;
}

}  // namespace

// ---- enter -------------------------------------------------------------------------------------

Result<void> ListenerBook::enter(const Netns& netns, Cookie pod, const ListenerPorts& ports,
                                 const std::vector<ListeningSocket>& sockets, UndoLog& undo) const {
    FSM_ASSIGN(const std::vector<Wanted> wanted, missing(pod, ports, sockets));
    std::set<std::uint64_t> inodes;
    for (const Wanted& listener : wanted) {
        inodes.insert(listener.socket->inode);
    }
    FSM_ASSIGN(const auto taken, take_sockets(proc_, netns.identity(), inodes));
    std::vector<fsm_listener_key> added;
    auto entered = enter_all(wanted, taken, added);
    if (!entered) {
        FSM_TRY(remove(added));
        return entered;
    }
    if (!added.empty()) {
        undo.add([this, added] { return remove(added); });
    }
    return {};
}

Result<ListenerBook::SlotSearch> ListenerBook::search_slots(fsm_listener_key key,
                                                            std::uint64_t cookie) const {
    SlotSearch search;
    for (std::uint16_t slot = 0; slot < FSM_LISTENER_SLOTS; ++slot) {
        key.slot = slot;
        // A lookup in a socket map from user space returns the socket's cookie.
        FSM_ASSIGN(const auto entered, map_.lookup(key));
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

// The key with the slot of the entered socket; nothing if the socket was already in the map.
Result<std::optional<fsm_listener_key>> ListenerBook::enter_one(fsm_listener_key key,
                                                                std::uint64_t cookie,
                                                                int socket) const {
    const auto value = static_cast<std::uint64_t>(socket);
    for (;;) {
        FSM_ASSIGN(const SlotSearch search, search_slots(key, cookie));
        if (search.present) {
            return std::optional<fsm_listener_key>();
        }
        if (!search.free) {
            return Error("enter a listener of port " + std::to_string(key.port) + ": all " +
                             std::to_string(FSM_LISTENER_SLOTS) + " slots are taken",
                         ENOSPC);
        }
        key.slot = *search.free;
        FSM_ASSIGN(const bool entered, map_.put_new(key, value));
        if (entered) {
            return std::optional<fsm_listener_key>(key);
        }
    }
}

Result<std::vector<ListenerBook::Wanted>> ListenerBook::missing(
    Cookie pod, const ListenerPorts& ports, const std::vector<ListeningSocket>& sockets) const {
    std::vector<Wanted> missing;
    for (const ListeningSocket& socket : sockets) {
        if (socket.mptcp) {
            continue;
        }
        for (const fsm_listener_key& key : listener_keys(pod, ports, socket)) {
            FSM_ASSIGN(const SlotSearch search, search_slots(key, socket.cookie));
            if (!search.present && search.free) {
                missing.push_back({&socket, key});
            }
        }
    }
    return missing;
}

Result<void> ListenerBook::enter_all(const std::vector<Wanted>& wanted,
                                     const std::map<std::uint64_t, Fd>& taken,
                                     std::vector<fsm_listener_key>& added) const {
    for (const Wanted& listener : wanted) {
        const auto found = taken.find(listener.socket->inode);
        if (found == taken.end()) {
            return Error("the sidecar's listener on port " + std::to_string(listener.key.port) +
                         " belongs to no process that can be seen");
        }
        auto entered = enter_one(listener.key, listener.socket->cookie, found->second.get());
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

// ---- check and forget --------------------------------------------------------------------------

Result<void> ListenerBook::check(Cookie pod, const ListenerPorts& ports,
                                 const std::vector<ListeningSocket>& sockets) const {
    FSM_ASSIGN(const std::vector<Wanted> wanted, missing(pod, ports, sockets));
    if (!wanted.empty()) {
        return Error("the sidecar's listener on port " + std::to_string(wanted.front().key.port) +
                     " is not in the map of listeners");
    }
    return {};
}

// By the keys that the pod can have, because the map contains those of all pods.
Result<void> ListenerBook::forget(Cookie pod, const ListenerPorts& ports,
                                  const ListenerPorts& kept) const {
    const std::set<std::uint16_t> kept_ports = {kept.outbound4, kept.inbound4, kept.outbound6,
                                                kept.inbound6};
    const std::set<std::uint16_t> had_ports = {ports.outbound4, ports.inbound4, ports.outbound6,
                                               ports.inbound6};
    for (const std::uint16_t port : had_ports) {
        if (port != 0 && !kept_ports.contains(port)) {
            FSM_TRY(forget_port(pod, port));
        }
    }
    return {};
}

Result<void> ListenerBook::remove(const std::vector<fsm_listener_key>& keys) const {
    for (const fsm_listener_key& key : keys) {
        FSM_TRY(map_.remove(key));
    }
    return {};
}

Result<void> ListenerBook::forget_port(Cookie pod, std::uint16_t port) const {
    for (const int family : {AF_INET, AF_INET6}) {
        for (const fsm_listener_bind bind : {FSM_BIND_POD, FSM_BIND_LOOPBACK}) {
            fsm_listener_key key{};
            key.netns_cookie = pod;
            key.port = port;
            key.family = static_cast<std::uint8_t>(family);
            key.bind = bind;
            for (key.slot = 0; key.slot < FSM_LISTENER_SLOTS; ++key.slot) {
                FSM_TRY(map_.remove(key));
            }
        }
    }
    return {};
}

}  // namespace fsm
