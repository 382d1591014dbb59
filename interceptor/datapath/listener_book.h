// ListenerBook: the sidecar's listening sockets in the map that sk_lookup steers by
// (fsm_listeners). Those that were there before us are taken from their process; those that begin
// to listen later enter the map by themselves (sockops).
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

    // `proc`: where the processes are found that have the sockets.
    ListenerBook(ListenersMap map, std::string proc) : map_(map), proc_(std::move(proc)) {}

    // Enters the sidecar's sockets that are not in the map, those by MPTCP left out. A socket that
    // cannot be taken from its process is an error, and then none is entered.
    Result<void> enter(const Netns& netns, Cookie pod, const ListenerPorts& ports,
                       const std::vector<ListeningSocket>& sockets, UndoLog& undo) const;

    // Whether each of these sockets can be found in the map, as far as there are slots; the error
    // names the port of one that cannot.
    Result<void> check(Cookie pod, const ListenerPorts& ports,
                       const std::vector<ListeningSocket>& sockets) const;

    // Removes the pod's listeners on those of `ports` that are not among `kept`.
    Result<void> forget(Cookie pod, const ListenerPorts& ports, const ListenerPorts& kept) const;

  private:
    // The slot that a socket is in, or the first free one.
    struct SlotSearch {
        bool present = false;
        std::optional<std::uint16_t> free;
    };
    struct Wanted {
        const ListeningSocket* socket;
        fsm_listener_key key;
    };

    Result<SlotSearch> search_slots(fsm_listener_key key, std::uint64_t cookie) const;
    // Sidecar sockets that are not entered yet.
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
