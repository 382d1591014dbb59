/* SPDX-License-Identifier: GPL-2.0-only */
/* sockops: the life of TCP sockets. When a connection within this node is established, its two ends
 * are paired, and enter the socket map if they may be accelerated. When a sidecar starts to listen,
 * its listener enters the map of listeners. When a socket closes, its map entries are removed. */
#include <linux/in.h>

#include "acceleration.h"
#include "count.h"
#include "end.h"
#include "features.h"
#include "flows.h"
#include "listeners.h"
#include "pairing.h"
#include "policy.h"
#include "share.h"

/* ---- the client's end ---- */

/* With TCP Fast Open, data may have been acknowledged already: count back from it. */
static __always_inline struct fsm_handshake_key key_of_client(struct bpf_sock_ops* ops) {
    const struct fsm_handshake_key key = {
        .client_isn = ops->snd_una - (__u32)ops->bytes_acked,
        .server_isn = ops->rcv_nxt - 1 - (__u32)ops->bytes_received,
    };
    return key;
}

/* For the list of open connections, also of a connection that nothing else is done with. */
static __always_inline void note_established(struct fsm_conn* conn,
                                             const struct fsm_handshake_key* key) {
    conn->handshake = *key;
    conn->established_ns = bpf_ktime_get_ns();
}

static __always_inline void publish(struct bpf_sock_ops* ops, const struct end* end,
                                    struct fsm_conn* conn, int accelerate) {
    const __u64 cookie = bpf_get_socket_cookie(ops);
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
    const struct fsm_handshake_key key = key_of_client(ops);
    note_established(conn, &key);
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
    if (!fsm_inbound_tc ||
        bpf_ntohs(end->local.port_be) != inbound_port(end->pod, &end->local.address)) {
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

static __always_inline void pair_with(struct bpf_sock_ops* ops, const struct end* end,
                                      struct fsm_conn* conn, struct fsm_handshake* found) {
    count(FSM_COUNTER_HANDSHAKE_PAIRED);
    if (!accelerate_server(end, conn, found) ||
        !enter_socket_map(ops, end, conn, found->client_cookie, FSM_ROLE_SERVER)) {
        remove_handshake(&conn->handshake, found->client_netns);
        return;
    }
    pace_server(end, found);
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
    const struct fsm_handshake_key key = key_of_server(ops);
    note_established(conn, &key);
    conn->place = FSM_PLACE_PLAIN_SERVER;

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
        const struct fsm_handshake_key key = key_of_client(ops);
        note_established(conn, &key);
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
    note_established(conn, &key);
    conn->place = FSM_PLACE_PLAIN_SERVER;
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
    if (!fsm_inbound_tc) {
        return;
    }
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
