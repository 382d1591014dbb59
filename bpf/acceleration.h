/* SPDX-License-Identifier: GPL-2.0-only */
/* Which connections are accelerated, and the state that sockops stores for the sk_msg program of
 * each end (message.bpf.c). */
#ifndef FSM_BPF_ACCELERATION_H
#define FSM_BPF_ACCELERATION_H

#include "count.h"
#include "end.h"
#include "features.h"
#include "policy.h"
#include "share.h"

/* Socket maps are incompatible with kTLS and MPTCP sockets. */
static __always_inline int may_enter_socket_map(struct tcp_sock* tcp) {
    return !tcp->inet_conn.icsk_ulp_ops && !tcp->is_mptcp;
}

static __always_inline int enter_socket_map(struct bpf_sock_ops* ops, const struct end* end,
                                            struct fsm_conn* conn, __u64 client_cookie,
                                            __u32 role) {
    struct fsm_end_key key = {.client_cookie = client_cookie, .role = role};
    if (!fsm_acceleration) {
        return 0;
    }
    if (!take_socket(end->netns_cookie)) {
        count(FSM_COUNTER_SOCKET_OVER_SHARE);
        return 0;
    }
    if (bpf_sock_hash_update(ops, &fsm_sockets, &key, BPF_ANY)) {
        give_back_socket(end->netns_cookie);
        count(FSM_COUNTER_SOCKET_NOT_ENTERED);
        return 0;
    }
    conn->in_socket_map = 1;
    watch_close(ops);
    count(FSM_COUNTER_SOCKET_ACCELERATED);
    return 1;
}

/* Returns the least scope that allows acceleration of this connection, as seen from its client, or
 * FSM_SCOPE_NONE. Called before the server's end is known, so it checks whether the destination is
 * a sidecar's inbound listener on this node: a connection to another node must not pay for
 * acceleration. */
#define FSM_SCOPE_NONE (FSM_SCOPE_FULL + 1)
static __always_inline __u32 scope_needed(const struct end* end, __u8 place) {
    switch (place) {
        case FSM_PLACE_OUTBOUND:
            return FSM_SCOPE_FULL;
        case FSM_PLACE_SELF_CALL:
            return FSM_SCOPE_SIDECAR;
        default:
            break;
    }
    if (!owned_by_sidecar(end->pod, end->tcp)) {
        return FSM_SCOPE_NONE;
    }
    if (is_loopback(&end->remote.address)) {
        return FSM_SCOPE_FULL;
    }
    __u64* peer_netns = bpf_map_lookup_elem(&fsm_pod_ips, &end->remote.address);
    if (!peer_netns) {
        return FSM_SCOPE_NONE;
    }
    if (*peer_netns == end->netns_cookie) {
        return FSM_SCOPE_FULL;
    }
    struct fsm_pod* peer = bpf_map_lookup_elem(&fsm_pods, peer_netns);
    if (!peer || peer->scope == FSM_SCOPE_OFF ||
        !inbound_intercepted(peer, *peer_netns, &end->remote.address,
                             bpf_ntohs(end->remote.port_be), &end->local.address)) {
        return FSM_SCOPE_NONE;
    }
    return FSM_SCOPE_SIDECAR;
}

static __always_inline void pace_client(const struct end* end, __u64 cookie,
                                        const struct fsm_handshake_key* key) {
    struct fsm_pace* pace = bpf_sk_storage_get(&fsm_pace, end->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (pace) {
        pace->peer.client_cookie = cookie;
        pace->peer.role = FSM_ROLE_SERVER;
        pace->peer_sock = 0; /* left over from an earlier connection of this socket */
        pace->peer_cookie = 0;
        pace->handshake = *key;
        pace->redirected = 0;
    }
}

/* Whether the server's end allows what the client's end has offered. */
static __always_inline int accelerate_server(const struct end* end, const struct fsm_conn* conn,
                                             const struct fsm_handshake* found) {
    if (!found->accelerate || !may_enter_socket_map(end->tcp)) {
        return 0;
    }
    const int both_are_sidecars =
        conn->place == FSM_PLACE_AT_INBOUND || conn->place == FSM_PLACE_AT_SELF;
    return end->pod->scope >= (both_are_sidecars ? FSM_SCOPE_SIDECAR : FSM_SCOPE_FULL);
}

static __always_inline void pace_server(const struct end* end, const struct fsm_handshake* found) {
    struct fsm_pace* pace = bpf_sk_storage_get(&fsm_pace, end->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (pace) {
        pace->peer.client_cookie = found->client_cookie;
        pace->peer.role = FSM_ROLE_CLIENT;
        pace->peer_cookie = found->client_cookie;
        pace->peer_sock = found->client_sock;
        pace->redirected = 0;
    }
}

#endif
