/* SPDX-License-Identifier: GPL-2.0-only */
/* getsockopt(SO_ORIGINAL_DST): the original destination of an intercepted connection, answered as
 * conntrack answers it under iptables: on both ends, IPv4 at level SOL_IP and IPv6 at SOL_IPV6. */
#include <linux/in.h>
#include <linux/in6.h>

#include "address.h"
#include "count.h"
#include "kernel.h"
#include "maps.h"
#include "pairing.h"

/* Above this, the kernel hands us no whole buffer: let its own answer through. */
#define SMALLEST_PAGE 4096

/* conntrack knows a connection from its first packet, and after its end; the kernel forgets the
 * destination when a connect fails or is undone. */
static __always_inline int has_connected(struct bpf_sock* sk) {
    return ctx_read(sk->dst_port) != 0;
}

static __always_inline void remote_of(struct bpf_sock* sk, struct fsm_endpoint* endpoint) {
    if (sk->family == AF_INET) {
        set_v4(&endpoint->address, ctx_read(sk->dst_ip4));
    } else {
        set_v6(&endpoint->address, ctx_read(sk->dst_ip6[0]), ctx_read(sk->dst_ip6[1]),
               ctx_read(sk->dst_ip6[2]), ctx_read(sk->dst_ip6[3]));
    }
    endpoint->port_be = ctx_read(sk->dst_port);
}

static __always_inline void local_of(struct bpf_sock* sk, struct fsm_endpoint* endpoint) {
    if (sk->family == AF_INET) {
        set_v4(&endpoint->address, ctx_read(sk->src_ip4));
    } else {
        set_v6(&endpoint->address, ctx_read(sk->src_ip6[0]), ctx_read(sk->src_ip6[1]),
               ctx_read(sk->src_ip6[2]), ctx_read(sk->src_ip6[3]));
    }
    endpoint->port_be = bpf_htons((__u16)ctx_read(sk->src_port));
}

/* 0: we have no answer. */
static __always_inline int original_of(struct bpf_sockopt* ctx, struct bpf_sock* sk,
                                       struct fsm_endpoint* original) {
    struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, sk, 0, 0);
    if (!conn) {
        return 0;
    }
    if (conn->awaits_handshake) {
        adopt_late(conn, bpf_get_netns_cookie(ctx));
    }
    switch (conn->place) {
        case FSM_PLACE_NONE:
            return 0;
        case FSM_PLACE_PLAIN_CLIENT:
            remote_of(sk, original);
            return ctx->retval != 0;
        case FSM_PLACE_PLAIN_SERVER:
            local_of(sk, original);
            return ctx->retval != 0;
        case FSM_PLACE_AT_INBOUND: {
            /* Where nothing was translated by us, conntrack may know of a translation by rules: of
             * those that are just taking over this pod, or are just leaving it to us. */
            struct fsm_endpoint local = {};
            local_of(sk, &local);
            *original = conn->original;
            return local.port_be != original->port_be || ctx->retval != 0;
        }
        default:
            *original = conn->original;
            return 1;
    }
}

/* A short buffer is EINVAL, a long one keeps its length: as conntrack's own handler. */
static __always_inline int fits(struct bpf_sockopt* ctx, __s32 size) {
    if (ctx->optlen < size) {
        ctx->retval = -EINVAL;
        return 0;
    }
    if (ctx->optlen > SMALLEST_PAGE) {
        ctx->optlen = size;
    }
    ctx->retval = 0;
    return 1;
}

static __always_inline void answer4(struct bpf_sockopt* ctx, const struct fsm_endpoint* original) {
    struct sockaddr_in* value = ctx->optval;
    if ((void*)(value + 1) > ctx->optval_end) {
        ctx->retval = -EINVAL;
        return;
    }
    if (!fits(ctx, sizeof(*value))) {
        return;
    }
    __builtin_memset(value, 0, sizeof(*value));
    value->sin_family = AF_INET;
    value->sin_port = original->port_be;
    value->sin_addr.s_addr = v4_of(&original->address);
    count(FSM_COUNTER_ORIGINAL_DST);
}

/* The link of a link-local address: an accepted socket is bound to the one that its peer is on. */
static __always_inline __u32 scope_of(struct bpf_sock* sk, const struct fsm_address* address) {
    return is_link_local6(address) ? ctx_read(sk->bound_dev_if) : 0;
}

static __always_inline void answer6(struct bpf_sockopt* ctx, struct bpf_sock* sk,
                                    const struct fsm_endpoint* original) {
    struct sockaddr_in6* value = ctx->optval;
    if ((void*)(value + 1) > ctx->optval_end) {
        ctx->retval = -EINVAL;
        return;
    }
    if (!fits(ctx, sizeof(*value))) {
        return;
    }
    __builtin_memset(value, 0, sizeof(*value));
    value->sin6_family = AF_INET6;
    value->sin6_port = original->port_be;
    __builtin_memcpy(&value->sin6_addr, original->address.bytes, sizeof(value->sin6_addr));
    value->sin6_scope_id = scope_of(sk, &original->address);
    count(FSM_COUNTER_ORIGINAL_DST);
}

SEC("cgroup/getsockopt")
int fsm_getsockopt(struct bpf_sockopt* ctx) {
    const int level = ctx->level;
    struct bpf_sock* sk = ctx->sk;
    if (ctx->optname != SO_ORIGINAL_DST || (level != SOL_IP && level != SOL_IPV6)) {
        if (ctx->optlen > SMALLEST_PAGE) {
            ctx->optlen = 0;
        }
        return 1;
    }
    struct fsm_endpoint original = {};
    if (!sk || sk->protocol != IPPROTO_TCP || !has_connected(sk) ||
        !original_of(ctx, sk, &original)) {
        return 1;
    }
    if (level == SOL_IP && is_v4(&original.address)) {
        answer4(ctx, &original);
    } else if (level == SOL_IPV6 && !is_v4(&original.address)) {
        answer6(ctx, sk, &original);
    }
    return 1;
}

char fsm_license[] SEC("license") __weak = "GPL";
