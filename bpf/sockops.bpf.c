/* SPDX-License-Identifier: GPL-2.0-only */
/* sockops: the life of TCP sockets. When a connection within this node is established, its two ends
 * are paired, and enter the socket map if they may be accelerated. When a sidecar starts to listen,
 * its listener enters the map of listeners. When a socket closes, its map entries are removed. */
#include <linux/in.h>

#include "address.h"
#include "count.h"
#include "flows.h"
#include "kernel.h"
#include "maps.h"
#include "pairing.h"
#include "policy.h"
#include "share.h"

/* The established socket, its pod, and both of its addresses. */
struct end {
    __u64 netns_cookie;
    struct fsm_pod* pod;
    struct bpf_sock* sk;
    struct tcp_sock* tcp;
    struct fsm_endpoint local;
    struct fsm_endpoint remote;
};

static __always_inline void read_local(struct bpf_sock_ops* ops, struct fsm_endpoint* local) {
    if (ctx_read(ops->family) == AF_INET) {
        set_v4(&local->address, ctx_read(ops->local_ip4));
    } else {
        set_v6(&local->address, ctx_read(ops->local_ip6[0]), ctx_read(ops->local_ip6[1]),
               ctx_read(ops->local_ip6[2]), ctx_read(ops->local_ip6[3]));
    }
    local->port_be = bpf_htons((__u16)ctx_read(ops->local_port));
}

static __always_inline void read_remote(struct bpf_sock_ops* ops, struct fsm_endpoint* remote) {
    if (ctx_read(ops->family) == AF_INET) {
        set_v4(&remote->address, ctx_read(ops->remote_ip4));
    } else {
        set_v6(&remote->address, ctx_read(ops->remote_ip6[0]), ctx_read(ops->remote_ip6[1]),
               ctx_read(ops->remote_ip6[2]), ctx_read(ops->remote_ip6[3]));
    }
    /* Network order in the upper half: linux/bpf.h, struct bpf_sock_ops. */
    remote->port_be = bpf_htons((__u16)bpf_ntohl(ctx_read(ops->remote_port)));
}

/* Socket maps are incompatible with kTLS and MPTCP sockets. */
static __always_inline int may_enter_socket_map(struct tcp_sock* tcp) {
    return !tcp->inet_conn.icsk_ulp_ops && !tcp->is_mptcp;
}

/* Requests the state callback, so that on_close removes the socket's map entries. */
static __always_inline void watch_close(struct bpf_sock_ops* ops) {
    bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

static __always_inline int enter_socket_map(struct bpf_sock_ops* ops, const struct end* end,
                                            struct fsm_conn* conn, __u64 client_cookie,
                                            __u32 role) {
    struct fsm_end_key key = {.client_cookie = client_cookie, .role = role};
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

/* ---- the client's end ---- */

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
    }
}

static __always_inline void publish(struct bpf_sock_ops* ops, const struct end* end,
                                    struct fsm_conn* conn, int accelerate) {
    const __u64 cookie = bpf_get_socket_cookie(ops);
    /* With TCP Fast Open, data may have been acknowledged already: count back from it. */
    conn->handshake.client_isn = ops->snd_una - (__u32)ops->bytes_acked;
    conn->handshake.server_isn = ops->rcv_nxt - 1 - (__u32)ops->bytes_received;

    struct fsm_handshake offer = {
        .client_netns = end->netns_cookie,
        .client_cookie = cookie,
        .client_sock = (__u64)end->tcp,
        .original = conn->original,
        .shown = conn->shown.address,
        .place = conn->place,
    };
    if (!take_handshake(end->netns_cookie)) {
        count(FSM_COUNTER_HANDSHAKE_OVER_SHARE);
        return;
    }
    if (accelerate && may_enter_socket_map(end->tcp) && may_wait_for_message(end->netns_cookie) &&
        enter_socket_map(ops, end, conn, cookie, FSM_ROLE_CLIENT)) {
        offer.accelerate = 1;
        pace_client(end, cookie, &conn->handshake);
    }
    if (bpf_map_update_elem(&fsm_handshakes, &conn->handshake, &offer, BPF_NOEXIST)) {
        give_back_handshake(end->netns_cookie);
        count(FSM_COUNTER_HANDSHAKE_FULL);
        return;
    }
    conn->handshake_published = 1;
    watch_close(ops);
    count(FSM_COUNTER_HANDSHAKE_PUBLISHED);
    trace("handshake %u/%u published, accelerate %u", conn->handshake.client_isn,
          conn->handshake.server_isn, offer.accelerate);
}

static __always_inline void on_active_established(struct bpf_sock_ops* ops, const struct end* end) {
    struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, end->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!conn) {
        return;
    }
    if (conn->place == FSM_PLACE_NONE) {
        conn->place = FSM_PLACE_PLAIN_CLIENT;
    }
    const __u32 needed = scope_needed(end, conn->place);
    const int accelerate = needed <= end->pod->scope;
    if (conn->place != FSM_PLACE_PLAIN_CLIENT || accelerate) {
        publish(ops, end, conn, accelerate);
    }
}

/* ---- the server's end ---- */

/* The tuple of a connection that came from outside the pod through the tc programs; its flow holds
 * the original port. */
static __always_inline void flow_tuple_of(const struct end* end, struct fsm_flow_tuple* tuple) {
    tuple->pod = end->local.address;
    tuple->remote = end->remote.address;
    tuple->remote_port_be = end->remote.port_be;
    tuple->inbound_port_be = end->local.port_be;
}

static __always_inline void place_inbound_by_tc(struct bpf_sock_ops* ops, const struct end* end,
                                                struct fsm_conn* conn) {
    if (bpf_ntohs(end->local.port_be) != inbound_port(end->pod, &end->local.address)) {
        return;
    }
    struct fsm_flow_tuple tuple;
    flow_tuple_of(end, &tuple);
    struct fsm_flow* flow = find_flow(end->netns_cookie, &tuple);
    if (!flow) {
        return;
    }
    flow->idle_since_ns = 0;
    conn->by_tc = 1;
    conn->place = FSM_PLACE_AT_INBOUND;
    conn->original.address = end->local.address;
    conn->original.port_be = flow->original_port_be;
    conn->shown.port_be = end->local.port_be;
    watch_close(ops);
}

static __always_inline void place_inbound_by_lookup(const struct end* end, struct fsm_conn* conn) {
    if (!inbound_intercepted(end->pod, end->netns_cookie, &end->local.address,
                             bpf_ntohs(end->local.port_be), &end->remote.address)) {
        return;
    }
    conn->place = FSM_PLACE_AT_INBOUND;
    conn->original = end->local;
    conn->shown.port_be = bpf_htons(inbound_port(end->pod, &end->local.address));
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

static __always_inline void pair_with(struct bpf_sock_ops* ops, const struct end* end,
                                      struct fsm_conn* conn, struct fsm_handshake* found) {
    count(FSM_COUNTER_HANDSHAKE_PAIRED);
    if (!accelerate_server(end, conn, found) ||
        !enter_socket_map(ops, end, conn, found->client_cookie, FSM_ROLE_SERVER)) {
        remove_handshake(&conn->handshake, found->client_netns);
        return;
    }
    struct fsm_pace* pace = bpf_sk_storage_get(&fsm_pace, end->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (pace) {
        pace->peer.client_cookie = found->client_cookie;
        pace->peer.role = FSM_ROLE_CLIENT;
        pace->peer_cookie = found->client_cookie;
        pace->peer_sock = found->client_sock;
    }
    /* The client reads both fields with its first message and checks server_sock: write
     * server_cookie first. */
    found->server_cookie = bpf_get_socket_cookie(ops);
    asm volatile("" ::: "memory");
    found->server_sock = (__u64)end->tcp;
}

static __always_inline int sent_to_sidecar(const struct end* end) {
    const __u16 port = bpf_ntohs(end->local.port_be);
    return port == outbound_port(end->pod, &end->local.address) ||
           port == inbound_port(end->pod, &end->local.address);
}

static __always_inline struct fsm_handshake_key key_of_server(struct bpf_sock_ops* ops) {
    const struct fsm_handshake_key key = {
        .client_isn = ops->rcv_nxt - 1 - (__u32)ops->bytes_received,
        .server_isn = ops->snd_nxt - 1,
    };
    return key;
}

static __always_inline void on_passive_established(struct bpf_sock_ops* ops,
                                                   const struct end* end) {
    struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, end->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!conn) {
        return;
    }
    conn->place = FSM_PLACE_PLAIN_SERVER;
    conn->handshake = key_of_server(ops);

    struct fsm_handshake* found = find_handshake(&conn->handshake);
    if (!found || !adopt_original(conn, found, end->netns_cookie)) {
        if (end->pod->flags & FSM_POD_INBOUND_TC) {
            place_inbound_by_tc(ops, end, conn);
        } else {
            place_inbound_by_lookup(end, conn);
        }
    }
    if (found) {
        pair_with(ops, end, conn, found);
    } else {
        conn->awaits_handshake = is_loopback(&end->local.address) && sent_to_sidecar(end);
    }
}

/* ---- handshakes that complete after their pod was withdrawn ---- */

/* The application's connect was redirected before the withdrawal, so the sidecar still queries the
 * original destination. Every established connection outside the mesh also runs this. */
static __always_inline void on_active_after_withdrawal(struct bpf_sock_ops* ops,
                                                       const struct end* end) {
    struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, end->sk, 0, 0);
    if (conn && (conn->place == FSM_PLACE_OUTBOUND || conn->place == FSM_PLACE_SELF_CALL)) {
        publish(ops, end, conn, 0);
    }
}

static __always_inline void on_passive_after_withdrawal(struct bpf_sock_ops* ops, struct end* end) {
    read_local(ops, &end->local);
    if (!is_loopback(&end->local.address)) {
        return; /* the connect hook redirects to loopback only */
    }
    const struct fsm_handshake_key key = key_of_server(ops);
    struct fsm_handshake* found = find_handshake(&key);
    if (!found) {
        return;
    }
    struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, end->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!conn) {
        return;
    }
    conn->place = FSM_PLACE_PLAIN_SERVER;
    conn->handshake = key;
    adopt_original(conn, found, end->netns_cookie);
    remove_handshake(&key, found->client_netns);
}

static __always_inline void on_established_after_withdrawal(struct bpf_sock_ops* ops,
                                                            struct end* end) {
    if (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) {
        on_active_after_withdrawal(ops, end);
    } else if (ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) {
        on_passive_after_withdrawal(ops, end);
    }
}

/* ---- the end of a socket ---- */

/* After an active close, packets of the connection may still be in flight: keep the flow, mark it
 * idle, and let the sweep remove it. Otherwise remove it now. */
static __always_inline void close_flow(struct end* end, __u32 old_state) {
    struct fsm_flow_tuple tuple;
    flow_tuple_of(end, &tuple);
    if (old_state != BPF_TCP_FIN_WAIT2 && old_state != BPF_TCP_CLOSING &&
        old_state != BPF_TCP_TIME_WAIT) {
        forget_flow(end->netns_cookie, &tuple);
        return;
    }
    struct fsm_flow* flow = find_flow(end->netns_cookie, &tuple);
    if (flow) {
        flow->idle_since_ns = bpf_ktime_get_ns();
    }
}

static __always_inline void on_close(struct bpf_sock_ops* ops, struct bpf_sock* sk) {
    struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, sk, 0, 0);
    if (!conn) {
        return;
    }
    struct end end = {.netns_cookie = bpf_get_netns_cookie(ops)};
    if (conn->handshake_published) {
        remove_handshake(&conn->handshake, end.netns_cookie);
        conn->handshake_published = 0;
    }
    if (conn->in_socket_map) {
        give_back_socket(end.netns_cookie);
        conn->in_socket_map = 0;
    }
    if (conn->by_tc) {
        read_local(ops, &end.local);
        read_remote(ops, &end.remote);
        close_flow(&end, ops->args[0]);
        conn->by_tc = 0;
    }
}

/* ---- listeners ---- */

/* Takes the first free slot, so that all listeners on a port are in the map. */
static __always_inline void enter_listener(struct bpf_sock_ops* ops, struct fsm_listener_key* key) {
    for (int slot = 0; slot < FSM_LISTENER_SLOTS; slot++) {
        key->slot = slot;
        const long failed = bpf_sock_hash_update(ops, &fsm_listeners, key, BPF_NOEXIST);
        if (!failed) {
            count(FSM_COUNTER_LISTENER_SEEN);
            return;
        }
        if (failed != -EEXIST) {
            break;
        }
    }
    /* No slot is free: overwrite the last one with the newest listener. The older listeners of its
     * SO_REUSEPORT group are reached through it. */
    key->slot = FSM_LISTENER_SLOTS - 1;
    if (bpf_sock_hash_update(ops, &fsm_listeners, key, BPF_ANY)) {
        count(FSM_COUNTER_LISTENER_NOT_ENTERED);
        return;
    }
    count(FSM_COUNTER_LISTENER_SEEN);
}

static __always_inline void note_seen(__u64 netns_cookie, __u32 clear, __u32 set) {
    struct fsm_observed* observed = bpf_map_lookup_elem(&fsm_observed, &netns_cookie);
    if (!observed) {
        const struct fsm_observed first = {.seen = set};
        bpf_map_update_elem(&fsm_observed, &netns_cookie, &first, BPF_NOEXIST);
        return;
    }
    if (clear) {
        __sync_fetch_and_and(&observed->seen, ~clear);
    }
    __sync_fetch_and_or(&observed->seen, set);
}

/* Records an inbound listener that the socket map did not accept, so that user space switches to
 * another inbound mechanism. */
static __always_inline void note_refused(__u64 netns_cookie) {
    note_seen(netns_cookie, 0, 0);
    struct fsm_observed* observed = bpf_map_lookup_elem(&fsm_observed, &netns_cookie);
    if (observed) {
        __sync_fetch_and_add(&observed->refused, 1);
    }
}

static __always_inline void note_listener(const struct end* end, __u16 port, __u8 family,
                                          __u8 bind) {
    __u32 out4 = 0;
    if (family == AF_INET6) {
        note_seen(end->netns_cookie, 0,
                  port == end->pod->outbound_port6 ? FSM_SEEN_OUT6 : FSM_SEEN_IN6);
        return;
    }
    if (port == end->pod->inbound_port4) {
        note_seen(end->netns_cookie, 0, FSM_SEEN_IN4);
        return;
    }
    if (bind == FSM_BIND_LOOPBACK) {
        out4 = end->tcp->is_mptcp ? FSM_SEEN_OUT4_FIXED : FSM_SEEN_OUT4_LOOPBACK;
    } else if (is_unspecified(&end->local.address)) {
        out4 = FSM_SEEN_OUT4_WILDCARD;
    }
    if (out4) {
        note_seen(end->netns_cookie, FSM_SEEN_OUT4 & ~out4, out4);
    }
}

static __always_inline void add_listener(struct bpf_sock_ops* ops, const struct end* end,
                                         __u8 family) {
    const __u16 port = bpf_ntohs(end->local.port_be);
    const struct fsm_pod* pod = end->pod;
    if (family == AF_INET ? port != pod->outbound_port4 && port != pod->inbound_port4
                          : port != pod->outbound_port6 && port != pod->inbound_port6) {
        return;
    }
    struct fsm_listener_key key = {
        .netns_cookie = end->netns_cookie,
        .port = port,
        .family = family,
        .bind = is_loopback(&end->local.address) ? FSM_BIND_LOOPBACK : FSM_BIND_POD,
    };
    if (!end->tcp->is_mptcp) {
        enter_listener(ops, &key);
    } else {
        count(FSM_COUNTER_LISTENER_MPTCP);
        if (port == inbound_port(pod, &end->local.address)) {
            note_refused(end->netns_cookie);
        }
    }
    note_listener(end, port, family, key.bind);
    trace("listener on port %u, family %u, bind %u", port, family, key.bind);
}

static __always_inline void on_listen(struct bpf_sock_ops* ops, const struct end* end) {
    if (is_v4(&end->local.address)) {
        add_listener(ops, end, AF_INET);
        return;
    }
    add_listener(ops, end, AF_INET6);
    const int ipv6_only = BPF_CORE_READ_BITFIELD(sock_of(end->tcp), __sk_common.skc_ipv6only);
    if (!ipv6_only && is_unspecified(&end->local.address)) {
        add_listener(ops, end, AF_INET);
    }
}

SEC("sockops")
int fsm_sockops(struct bpf_sock_ops* ops) {
    const __u32 op = ops->op;
    struct bpf_sock* sk = ops->sk;
    if (op == BPF_SOCK_OPS_STATE_CB) {
        if (sk && ops->args[1] == BPF_TCP_CLOSE) {
            on_close(ops, sk);
        }
        return 1;
    }
    if ((op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB &&
         op != BPF_SOCK_OPS_TCP_LISTEN_CB) ||
        !sk) {
        return 1;
    }
    struct end end = {.netns_cookie = bpf_get_netns_cookie(ops), .sk = sk};
    end.pod = bpf_map_lookup_elem(&fsm_pods, &end.netns_cookie);
    if (!end.pod) {
        on_established_after_withdrawal(ops, &end);
        return 1;
    }
    end.tcp = tcp_sock_of(sk);
    if (!end.tcp) {
        return 1;
    }
    read_local(ops, &end.local);
    if (op == BPF_SOCK_OPS_TCP_LISTEN_CB) {
        on_listen(ops, &end);
        return 1;
    }
    read_remote(ops, &end.remote);
    if (op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) {
        on_active_established(ops, &end);
    } else {
        on_passive_established(ops, &end);
    }
    return 1;
}

char fsm_license[] SEC("license") __weak = "GPL";
