/* SPDX-License-Identifier: GPL-2.0-only */
/* getpeername(), getsockname() and accept(): hide the loopback detour, so that the application and
 * the sidecar see the addresses that they would see under iptables. accept4()'s address goes
 * through the getpeername hook. */
#include "address.h"
#include "kernel.h"
#include "maps.h"
#include "pairing.h"

static __always_inline struct fsm_conn* conn_of(struct bpf_sock_addr* ctx, struct bpf_sock* sk) {
    if (ctx->type != SOCK_STREAM || !sk) {
        return 0;
    }
    struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, sk, 0, 0);
    if (conn && conn->awaits_handshake) {
        adopt_late(conn, bpf_get_netns_cookie(ctx));
    }
    return conn;
}

/* The answer of getpeername; `now` is the kernel's own. Returns 0 to keep the kernel's answer. */
static __always_inline int peer_shown(const struct fsm_conn* conn, const struct bpf_sock* sk,
                                      const struct fsm_endpoint* now, struct fsm_endpoint* shown) {
    switch (conn->place) {
        case FSM_PLACE_OUTBOUND:
        case FSM_PLACE_SELF_CALL:
            *shown = conn->original;
            return 1;
        case FSM_PLACE_AT_OUTBOUND:
            /* The application had bound the socket, so bpf_bind could not set its source address.
             */
            if (!is_loopback(&now->address) || is_unspecified(&conn->shown.address)) {
                return 0;
            }
            shown->address = conn->shown.address;
            shown->port_be = now->port_be;
            return 1;
        default:
            return 0;
    }
}

/* The answer of getsockname; parameters as in peer_shown. */
static __always_inline int self_shown(const struct fsm_conn* conn, const struct bpf_sock* sk,
                                      const struct fsm_endpoint* now, struct fsm_endpoint* shown) {
    switch (conn->place) {
        case FSM_PLACE_OUTBOUND:
            /* The connect failed or was undone (the kernel then clears the destination): hide the
             * source address that we have bound. */
            if (conn->bound_by_us && !ctx_read(sk->dst_port)) {
                if (sk->family == AF_INET) {
                    set_v4(&shown->address, 0);
                }
                shown->port_be = now->port_be;
                return 1;
            }
            if (!is_loopback(&now->address) || is_unspecified(&conn->shown.address)) {
                return 0;
            }
            shown->address = conn->shown.address;
            shown->port_be = now->port_be;
            return 1;
        case FSM_PLACE_AT_OUTBOUND:
            if (!is_v4(&now->address)) {
                return 0;
            }
            set_v4(&shown->address, bpf_htonl(0x7f000001));
            shown->port_be = now->port_be;
            return 1;
        case FSM_PLACE_AT_INBOUND:
            shown->address = now->address;
            shown->port_be = conn->shown.port_be;
            return 1;
        default:
            return 0;
    }
}

static __always_inline void read_v4(struct bpf_sock_addr* ctx, struct fsm_endpoint* now) {
    set_v4(&now->address, ctx_read(ctx->user_ip4));
    now->port_be = (__u16)ctx_read(ctx->user_port);
}

static __always_inline void read_v6(struct bpf_sock_addr* ctx, struct fsm_endpoint* now) {
    set_v6(&now->address, ctx_read(ctx->user_ip6[0]), ctx_read(ctx->user_ip6[1]),
           ctx_read(ctx->user_ip6[2]), ctx_read(ctx->user_ip6[3]));
    now->port_be = (__u16)ctx_read(ctx->user_port);
}

static __always_inline void write_v4(struct bpf_sock_addr* ctx, const struct fsm_endpoint* shown) {
    ctx_write(ctx->user_ip4, v4_of(&shown->address));
    ctx_write(ctx->user_port, (__u32)shown->port_be);
}

static __always_inline void write_v6(struct bpf_sock_addr* ctx, const struct fsm_endpoint* shown) {
    ctx_write(ctx->user_ip6[0], shown->address.words[0]);
    ctx_write(ctx->user_ip6[1], shown->address.words[1]);
    ctx_write(ctx->user_ip6[2], shown->address.words[2]);
    ctx_write(ctx->user_ip6[3], shown->address.words[3]);
    ctx_write(ctx->user_port, (__u32)shown->port_be);
}

#define DEFINE_HOOK(section, program, answer, family)   \
    SEC(section)                                        \
    int program(struct bpf_sock_addr* ctx) {            \
        struct bpf_sock* sk = ctx->sk;                  \
        const struct fsm_conn* conn = conn_of(ctx, sk); \
        if (conn) {                                     \
            struct fsm_endpoint now = {};               \
            struct fsm_endpoint shown = {};             \
            read_##family(ctx, &now);                   \
            if (answer(conn, sk, &now, &shown)) {       \
                write_##family(ctx, &shown);            \
            }                                           \
        }                                               \
        return 1;                                       \
    }

DEFINE_HOOK("cgroup/getpeername4", fsm_peername4, peer_shown, v4)
DEFINE_HOOK("cgroup/getpeername6", fsm_peername6, peer_shown, v6)
DEFINE_HOOK("cgroup/getsockname4", fsm_sockname4, self_shown, v4)
DEFINE_HOOK("cgroup/getsockname6", fsm_sockname6, self_shown, v6)

char fsm_license[] SEC("license") __weak = "GPL";
