// ListenerBook: the sidecars' listening sockets in fsm_listeners, the map from which sk_lookup
// assigns. Existing ones are duplicated from their process; later ones enter the map by themselves
// (sockops).
//
// Threads: every function may be called from any thread; calls for one pod come one after the
// other.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/netns.h"
#include "common/result.h"
#include "interceptor/datapath/datapath_maps.h"
#include "interceptor/datapath/listeners.h"
#include "interceptor/datapath/undo_log.h"

namespace fsm {

class ListenerBook {
  public:
    using Cookie = std::uint64_t;

    // `proc`: the processes that own the sockets.
    ListenerBook(ListenersMap map, std::string proc) : map_(map), proc_(std::move(proc)) {}

    // Enters the sidecar's sockets that are not in the map, except MPTCP ones. If a socket cannot
    // be duplicated from its process, none is entered, and an error is returned.
    Result<void> enter(const Netns& netns, Cookie pod, const ListenerPorts& ports,
                       const std::vector<ListeningSocket>& sockets, UndoLog& undo) const;

    // Whether each of these sockets is in the map, as far as there are slots; the error names the
    // port of a missing one.
    Result<void> check(Cookie pod, const ListenerPorts& ports,
                       const std::vector<ListeningSocket>& sockets) const;

    // Removes the pod's listeners on `ports` that are not in `kept`.
    Result<void> forget(Cookie pod, const ListenerPorts& ports, const ListenerPorts& kept) const;

  private:
    // The slot of the socket, or the first free one.
    struct SlotSearch {
        bool present = false;
        std::optional<std::uint16_t> free;
    };
    struct Wanted {
        const ListeningSocket* socket;
        fsm_listener_key key;
    };

    Result<SlotSearch> search_slots(fsm_listener_key key, std::uint64_t cookie) const;
    // Sidecar sockets that are not yet in the map.
    Result<std::vector<Wanted>> missing(Cookie pod, const ListenerPorts& ports,
                                        const std::vector<ListeningSocket>& sockets) const;
    Result<std::optional<fsm_listener_key>> enter_one(fsm_listener_key key, std::uint64_t cookie,
                                                      int socket) const;
    Result<void> enter_all(const std::vector<Wanted>& wanted,
                           const std::map<std::uint64_t, Fd>& taken,
                           std::vector<fsm_listener_key>& added) const;
    Result<void> forget_port(Cookie pod, std::uint16_t port) const;
    Result<void> remove(const std::vector<fsm_listener_key>& keys) const;

    const ListenersMap map_;
    const std::string proc_;
};

}  // namespace fsm
