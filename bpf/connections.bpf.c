/* SPDX-License-Identifier: GPL-2.0-only */
/* The open connections of all pods: an iterator over the sockets that have a struct fsm_conn. The
 * storage lives and dies with its socket, so the list has no connection that is gone, whatever its
 * network namespace. Loaded and attached for one list, on request. */
#include "connections.h"
#include "acceleration.h"
#include "count.h"
#include "features.h"
#include "policy.h"

#define RCV_SHUTDOWN 1

/* The iterator's context: linux/bpf.h does not have it. */
struct seq_file {
    __u64 count; /* bytes of this read so far; size_t */
} __attribute__((preserve_access_index));

struct bpf_iter_meta {
    struct seq_file* seq;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_sk_storage_map {
    struct bpf_iter_meta* meta;
    struct bpf_map* map;
    struct sock* sk;
    void* value;
};

/* Not pinned: it is made for one list. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, FSM_OPEN_SLOTS);
    __type(key, __u32);
    __type(value, struct fsm_open_socket);
} fsm_open FSM_MAP;

static __always_inline void read_address(const struct sock* sk, struct fsm_open_socket* open) {
    const struct sock_common* common = &sk->__sk_common;
    open->local_port = common->skc_num;
    open->remote_port = bpf_ntohs(common->skc_dport);
    if (common->skc_family == AF_INET) {
        set_v4(&open->local, common->skc_rcv_saddr);
        set_v4(&open->remote, common->skc_daddr);
        return;
    }
    bpf_core_read(&open->local, sizeof(open->local), &common->skc_v6_rcv_saddr);
    bpf_core_read(&open->remote, sizeof(open->remote), &common->skc_v6_daddr);
}

static __always_inline void read_tcp(struct tcp_sock* tcp, struct fsm_open_socket* open) {
    const struct sock* sk = &tcp->inet_conn.icsk_inet.sk;
    open->received = tcp->bytes_received;
    open->acked = tcp->bytes_acked;
    open->unread = tcp->rcv_nxt - tcp->copied_seq;
    open->unsent = tcp->write_seq - tcp->snd_una;
    const int queued = sk->sk_backlog.rmem_alloc.counter;
    open->queued = queued < 0 ? 0 : (__u32)queued;
    open->uid = sk->sk_uid.val;
    open->flags |= tcp->inet_conn.icsk_ulp_ops ? FSM_OPEN_ULP : 0;
    open->flags |= tcp->is_mptcp ? FSM_OPEN_MPTCP : 0;
    open->flags |= sk->sk_shutdown & RCV_SHUTDOWN ? FSM_OPEN_FIN_RECEIVED : 0;
}

static __always_inline void read_conn(const struct fsm_conn* conn, struct fsm_open_socket* open) {
    open->original = conn->original.address;
    open->original_port = bpf_ntohs(conn->original.port_be);
    open->place = conn->place;
    open->flags |= conn->in_socket_map ? FSM_OPEN_IN_SOCKET_MAP : 0;
    if (!conn->established_ns) {
        return;
    }
    open->age_ns = bpf_ktime_get_ns() - conn->established_ns;
    open->client_isn = conn->handshake.client_isn;
    open->server_isn = conn->handshake.server_isn;
}

static __always_inline void read_pace(struct sock* sk, struct fsm_open_socket* open) {
    if (!fsm_acceleration || !(open->flags & FSM_OPEN_IN_SOCKET_MAP)) {
        return;
    }
    const struct fsm_pace* pace = bpf_sk_storage_get(&fsm_pace, sk, 0, 0);
    if (pace) {
        open->redirected = pace->redirected;
        open->flags |= pace->peer_sock ? FSM_OPEN_KNOWS_PEER : 0;
    }
}

/* What the pods allow the connection now, by the rules that decide about new ones. */
static __always_inline void read_pod(struct tcp_sock* tcp, struct fsm_open_socket* open) {
    struct end end = {.netns_cookie = open->netns_cookie, .tcp = tcp};
    end.pod = bpf_map_lookup_elem(&fsm_pods, &end.netns_cookie);
    if (!end.pod) {
        return;
    }
    open->scope = end.pod->scope;
    open->flags |= FSM_OPEN_IN_MESH;
    open->flags |= owned_by_sidecar(end.pod, tcp) ? FSM_OPEN_SIDECAR : 0;
    end.local.address = open->local;
    end.local.port_be = bpf_htons(open->local_port);
    end.remote.address = open->remote;
    end.remote.port_be = bpf_htons(open->remote_port);
    open->scope_needed = (__u8)scope_needed(&end, open->place);
}

SEC("iter/bpf_sk_storage_map")
int fsm_connections(struct bpf_iter__bpf_sk_storage_map* ctx) {
    struct sock* sk = ctx->sk;
    const struct fsm_conn* conn = ctx->value;
    if (!sk || !conn) {
        return 0;
    }
    struct tcp_sock* tcp = tcp_sock_of(sk);
    const __u8 state = sk->__sk_common.skc_state;
    const __u32 slot = (__u32)ctx->meta->seq->count;
    struct fsm_open_socket* open = bpf_map_lookup_elem(&fsm_open, &slot);
    if (!tcp || !open || state == BPF_TCP_CLOSE || state == BPF_TCP_LISTEN) {
        return 0;
    }
    __builtin_memset(open, 0, sizeof(*open)); /* of an earlier read */
    open->state = state;
    open->netns_cookie = sk->__sk_common.skc_net.net->net_cookie;
    open->socket_cookie = bpf_get_socket_cookie(sk);
    read_address(sk, open);
    read_tcp(tcp, open);
    read_conn(conn, open);
    read_pace(sk, open);
    read_pod(tcp, open);
    bpf_seq_write(ctx->meta->seq, &state, sizeof(state));
    return 0;
}

char fsm_license[] SEC("license") __weak = "GPL";
