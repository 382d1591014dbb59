/* SPDX-License-Identifier: GPL-2.0-only */
/* getsockopt(SO_ORIGINAL_DST): returns the original destination of an intercepted connection, as
 * conntrack does under iptables: on both ends, IPv4 at level SOL_IP and IPv6 at SOL_IPV6. */
#include <linux/in.h>
#include <linux/in6.h>

#include "address.h"
#include "count.h"
#include "kernel.h"
#include "maps.h"
#include "pairing.h"

/* For larger buffers the kernel does not pass the whole buffer to the program: keep its own answer.
 */
#define SMALLEST_PAGE 4096

/* conntrack knows a connection from its first packet until after its end. The kernel clears the
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

/* Returns 0 if there is no answer of ours. */
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
            /* The connection was not translated by us if its port is the original one. conntrack
             * may then hold a translation by iptables rules, during a handover between the
             * mechanisms: keep its answer. */
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

/* As conntrack's handler: a short buffer is EINVAL, a long one keeps its length. */
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

/* The scope id of a link-local address: an accepted socket is bound to its peer's link. */
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
