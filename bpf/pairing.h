/* SPDX-License-Identifier: GPL-2.0-only */
/* Pairing: the two ends of a connection on this node find each other by the pair of initial
 * sequence numbers. */
#ifndef FSM_BPF_PAIRING_H
#define FSM_BPF_PAIRING_H

#include "maps.h"

/* Looks up the handshake that the client's end published; NULL if there is none. */
static __always_inline struct fsm_handshake* find_handshake(const struct fsm_handshake_key* key) {
    return bpf_map_lookup_elem(&fsm_handshakes, key);
}

/* Records in `conn` that it is the sidecar's end of a connection which the connect hook redirected.
 * Returns 0 if the handshake is of another kind. */
static __always_inline int adopt_original(struct fsm_conn* conn, const struct fsm_handshake* found,
                                          __u64 netns_cookie) {
    if (found->client_netns != netns_cookie) {
        return 0;
    }
    if (found->place == FSM_PLACE_OUTBOUND) {
        conn->place = FSM_PLACE_AT_OUTBOUND;
    } else if (found->place == FSM_PLACE_SELF_CALL) {
        conn->place = FSM_PLACE_AT_SELF;
    } else {
        return 0;
    }
    conn->original = found->original;
    conn->shown.address = found->shown;
    return 1;
}

/* With TCP Fast Open the server's end is established first, before the handshake is published: look
 * it up again when the original destination is queried. */
static __always_inline void adopt_late(struct fsm_conn* conn, __u64 netns_cookie) {
    struct fsm_handshake* found = find_handshake(&conn->handshake);
    if (found && adopt_original(conn, found, netns_cookie)) {
        conn->awaits_handshake = 0;
    }
}

#endif
