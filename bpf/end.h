/* SPDX-License-Identifier: GPL-2.0-only */
/* One end of a connection, or a listener, as sockops sees it. */
#ifndef FSM_BPF_END_H
#define FSM_BPF_END_H

#include "address.h"
#include "kernel.h"
#include "maps.h"

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

/* Requests the state callback, so that on_close removes the socket's map entries. */
static __always_inline void watch_close(struct bpf_sock_ops* ops) {
    bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

#endif
