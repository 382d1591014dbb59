/* SPDX-License-Identifier: GPL-2.0-only */
/* connect(): redirects an application's connection to the outbound listener of its sidecar, and the
 * sidecar's own calls to its pod to the inbound listener. In three stages:
 *
 *   translate   the requested destination, in the common address form
 *   judge       the verdict, by rules in the order of the meshes' iptables chains
 *   rewrite     the socket's state, its source address, and the new destination
 * / */
#include <linux/in.h>
#include <linux/in6.h>

#include "count.h"
#include "emit.h"
#include "policy.h"
#include "share.h"

#define LOCALHOST4 bpf_htonl(0x7f000001)

enum verdict {
    LEAVE,
    TO_OUTBOUND,
    TO_INBOUND,
};

/* The form in which the socket names its destination. A constant at every use, so that each form
 * has its own code. */
enum form {
    FORM_V4,
    FORM_V4_MAPPED, /* by an AF_INET6 socket, as ::ffff:a.b.c.d */
    FORM_V6,
};

/* One connect() in the form that the rules use. */
struct attempt {
    __u64 netns_cookie;
    struct fsm_endpoint destination;
    struct fsm_address source; /* what the socket is bound to; unspecified when it is not */
    __u16 source_port;         /* host order */
    __u32 device;              /* ifindex that the socket is bound to; 0: none */
};

/* ---- translate ------------------------------------------------------------------------------- */

static __always_inline int is_tcp(struct bpf_sock_addr* ctx) {
    return ctx->type == SOCK_STREAM &&
           (ctx->protocol == IPPROTO_TCP || ctx->protocol == IPPROTO_MPTCP);
}

static __always_inline void translate_socket(struct bpf_sock_addr* ctx, struct bpf_sock* sk,
                                             struct attempt* attempt) {
    attempt->netns_cookie = bpf_get_netns_cookie(ctx);
    attempt->destination.port_be = (__u16)ctx_read(ctx->user_port);
    attempt->source_port = (__u16)ctx_read(sk->src_port);
    attempt->device = ctx_read(sk->bound_dev_if);
}

static __always_inline void translate4(struct bpf_sock_addr* ctx, struct bpf_sock* sk,
                                       struct attempt* attempt) {
    translate_socket(ctx, sk, attempt);
    set_v4(&attempt->destination.address, ctx_read(ctx->user_ip4));
    set_v4(&attempt->source, ctx_read(sk->src_ip4));
}

static __always_inline void translate6(struct bpf_sock_addr* ctx, struct bpf_sock* sk,
                                       struct attempt* attempt) {
    translate_socket(ctx, sk, attempt);
    set_v6(&attempt->destination.address, ctx_read(ctx->user_ip6[0]), ctx_read(ctx->user_ip6[1]),
           ctx_read(ctx->user_ip6[2]), ctx_read(ctx->user_ip6[3]));
    set_v6(&attempt->source, ctx_read(sk->src_ip6[0]), ctx_read(sk->src_ip6[1]),
           ctx_read(sk->src_ip6[2]), ctx_read(sk->src_ip6[3]));
}

/* ---- judge ----------------------------------------------------------------------------------- */

/* The sidecar calls its own application. */
static __always_inline int from_own_source(const struct fsm_pod* pod,
                                           const struct attempt* attempt) {
    const __u32* source = attempt->source.words;
    if (is_v4(&attempt->source)) {
        return pod->own_source4_be && source[3] == pod->own_source4_be;
    }
    return (pod->own_source6_be[0] | pod->own_source6_be[1] | pod->own_source6_be[2] |
            pod->own_source6_be[3]) != 0 &&
           equal_words(source, pod->own_source6_be);
}

static __always_inline enum verdict judge_sidecar(const struct fsm_pod* pod,
                                                  const struct attempt* attempt) {
    const struct fsm_address* to = &attempt->destination.address;
    const __u16 port = bpf_ntohs(attempt->destination.port_be);
    if (!(pod->flags & FSM_POD_INBOUND) || is_localhost(to)) {
        return LEAVE;
    }
    if (!is_loopback(to) && !address_of_pod(attempt->netns_cookie, to)) {
        return LEAVE;
    }
    if (from_own_source(pod, attempt) && (pod->flags & FSM_POD_OWN_SOURCE_REACHES_POD)) {
        return LEAVE;
    }
    if (pod->self_call_exempt_port && port == pod->self_call_exempt_port) {
        return LEAVE;
    }
    return family_intercepted(pod, attempt->netns_cookie, to, FSM_SEEN_IN6) ? TO_INBOUND : LEAVE;
}

/* For IPv4 the kernel refuses to connect from a loopback address to another one, with an error that
 * the application must see; for IPv6 it does not refuse. */
static __always_inline int refused_by_kernel(const struct attempt* attempt) {
    return is_v4(&attempt->source) && is_loopback(&attempt->source);
}

static __always_inline enum verdict judge_application(const struct fsm_pod* pod,
                                                      const struct attempt* attempt) {
    const struct fsm_address* to = &attempt->destination.address;
    const __u16 port = bpf_ntohs(attempt->destination.port_be);
    if (!(pod->flags & FSM_POD_OUTBOUND) || is_loopback(to) || is_group(to) ||
        refused_by_kernel(attempt) || address_of_pod(attempt->netns_cookie, to)) {
        return LEAVE;
    }
    if (!family_intercepted(pod, attempt->netns_cookie, to, FSM_SEEN_OUT6)) {
        return LEAVE;
    }
    return outbound_listed(pod, to, port) ? TO_OUTBOUND : LEAVE;
}

/* Whether the process runs in a container of the pod that is known not to be the sidecar: in its
 * cgroup, or one that the container has created below it. Checked only if the ids are the
 * sidecar's. The process's cgroup is used, not the socket's: the socket may have been passed on by
 * its creator. */
static __always_inline int in_other_container(__u64 netns_cookie) {
    struct fsm_container_key key = {.netns_cookie = netns_cookie,
                                    .cgroup_id = FSM_LEVEL_OF_CONTAINERS};
    __u32* level = bpf_map_lookup_elem(&fsm_containers, &key);
    if (!level) {
        return 0;
    }
    key.cgroup_id = bpf_get_current_ancestor_cgroup_id(*level);
    /* 0: the process is in a cgroup above that level. */
    return key.cgroup_id && bpf_map_lookup_elem(&fsm_containers, &key) != 0;
}

static __always_inline enum verdict judge(const struct fsm_pod* pod, struct tcp_sock* tcp,
                                          const struct attempt* attempt) {
    /* 0.0.0.0 and :: mean loopback. A socket bound to lo can reach only loopback. */
    if (is_unspecified(&attempt->destination.address) || attempt->device == LOOPBACK_IFINDEX) {
        return LEAVE;
    }
    return owned_by_sidecar(pod, tcp) && !in_other_container(attempt->netns_cookie)
               ? judge_sidecar(pod, attempt)
               : judge_application(pod, attempt);
}

/* ---- rewrite --------------------------------------------------------------------------------- */

/* With a single loopback address, a pod's connections to its sidecar would differ only by their
 * source port: at most 28,000, and one source port could not reach two destinations. So connections
 * are spread over 127.0.0.0/8, if the outbound listener accepts all of it. */
static __always_inline __u32 loopback4_for(const struct fsm_pod* pod,
                                           const struct attempt* attempt) {
    const __u32 seen = listeners_of(pod, attempt->netns_cookie);
    /* sk_lookup assigns a listener on 127.0.0.1. */
    const int steered = (seen & FSM_SEEN_OUT4_LOOPBACK) && !(pod->flags & FSM_POD_INBOUND_TC);
    if (!(seen & FSM_SEEN_OUT4_WILDCARD) && !steered) {
        return LOCALHOST4;
    }
    __u32 hash = v4_of(&attempt->destination.address) * 2654435761U;
    hash ^= hash >> 15;
    hash = (hash + attempt->destination.port_be) * 2246822519U;
    hash ^= hash >> 13;
    /* 127.(1..254).(0..255).(1..254): no special addresses. */
    const __u32 b = 1 + (hash & 0xff) % 254;
    const __u32 c = (hash >> 8) & 0xff;
    const __u32 d = 1 + ((hash >> 16) & 0xff) % 254;
    return bpf_htonl(0x7f000000 | b << 16 | c << 8 | d);
}

/* Binds the socket to the source address that it would have without interception, so that the
 * sidecar sees the same peer. If the application has bound the socket, bpf_bind refuses that, and
 * the sockname hooks return the address instead. */
static __always_inline int bind_source4(struct bpf_sock_addr* ctx, __u32 ip_be) {
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = ip_be};
    return bpf_bind(ctx, (struct sockaddr*)&source, sizeof(source));
}

static __always_inline int bind_source6(struct bpf_sock_addr* ctx, const struct fsm_address* ip) {
    struct sockaddr_in6 source = {.sin6_family = AF_INET6};
    __builtin_memcpy(&source.sin6_addr, ip->bytes, sizeof(source.sin6_addr));
    return bpf_bind(ctx, (struct sockaddr*)&source, sizeof(source));
}

/* Clears the state of an earlier connect() of this socket, including the source address. */
static __always_inline void forget_earlier(struct bpf_sock_addr* ctx, struct bpf_sock* sk,
                                           const enum form form) {
    struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, sk, 0, 0);
    if (!conn) {
        return;
    }
    if (conn->bound_by_us) {
        const struct fsm_address any = {};
        if (form == FORM_V4) {
            bind_source4(ctx, 0);
        } else {
            bind_source6(ctx, &any);
        }
    }
    bpf_sk_storage_delete(&fsm_conn, sk);
}

/* Fills in the socket's state; NULL if that is not possible. */
static __always_inline struct fsm_conn* remember(struct bpf_sock* sk, const struct fsm_pod* pod,
                                                 const struct attempt* attempt,
                                                 enum verdict verdict) {
    if (!may_take_handshake(attempt->netns_cookie)) {
        count(FSM_COUNTER_HANDSHAKE_OVER_SHARE);
        emit(attempt->netns_cookie, FSM_EVENT_CONNECT_OVER_SHARE);
        return 0;
    }
    struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!conn) {
        count(FSM_COUNTER_CONNECT_REFUSED);
        return 0;
    }
    conn->original = attempt->destination;
    conn->place = verdict == TO_OUTBOUND ? FSM_PLACE_OUTBOUND : FSM_PLACE_SELF_CALL;
    conn->handshake_published = 0;
    conn->established_ns = 0;
    if (is_loopback(&attempt->source)) {
        /* The application's own choice: nothing to hide. */
        set_v6(&conn->shown.address, 0, 0, 0, 0);
    } else {
        own_address(pod, &attempt->destination.address, &conn->shown.address);
    }
    count(verdict == TO_OUTBOUND ? FSM_COUNTER_CONNECT_OUTBOUND : FSM_COUNTER_CONNECT_SELF);
    return conn;
}

static __always_inline void bind_source(struct bpf_sock_addr* ctx, const struct fsm_pod* pod,
                                        const struct attempt* attempt, enum verdict verdict,
                                        struct fsm_conn* conn, const enum form form) {
    if (verdict != TO_OUTBOUND || attempt->source_port || !is_unspecified(&attempt->source)) {
        return;
    }
    if (form == FORM_V6 ? is_unspecified(&conn->shown.address) : !pod->address4_be) {
        return;
    }
    const int failed = form == FORM_V4 ? bind_source4(ctx, pod->address4_be)
                                       : bind_source6(ctx, &conn->shown.address);
    conn->bound_by_us = !failed;
}

/* To the sidecar's listener. */
static __always_inline void set_destination(struct bpf_sock_addr* ctx, const struct fsm_pod* pod,
                                            const struct attempt* attempt, enum verdict verdict,
                                            const enum form form) {
    const struct fsm_address* to = &attempt->destination.address;
    const __u16 port = verdict == TO_OUTBOUND ? outbound_port(pod, to) : inbound_port(pod, to);
    trace("connect to %pI6 port %u goes to port %u", to->bytes,
          bpf_ntohs(attempt->destination.port_be), port);
    ctx_write(ctx->user_port, (__u32)bpf_htons(port));
    if (form == FORM_V6) {
        ctx_write(ctx->user_ip6[0], 0);
        ctx_write(ctx->user_ip6[1], 0);
        ctx_write(ctx->user_ip6[2], 0);
        ctx_write(ctx->user_ip6[3], bpf_htonl(1));
        return;
    }
    const __u32 address = verdict == TO_OUTBOUND ? loopback4_for(pod, attempt) : LOCALHOST4;
    if (form == FORM_V4) {
        ctx_write(ctx->user_ip4, address);
    } else {
        ctx_write(ctx->user_ip6[3], address);
    }
}

/* 0: the connection is refused, because its original destination could not be stored. */
static __always_inline int rewrite(struct bpf_sock_addr* ctx, struct bpf_sock* sk,
                                   const struct fsm_pod* pod, const struct attempt* attempt,
                                   enum verdict verdict, const enum form form) {
    if (verdict == LEAVE) {
        forget_earlier(ctx, sk, form);
        return 1;
    }
    struct fsm_conn* conn = remember(sk, pod, attempt, verdict);
    if (!conn) {
        return 0;
    }
    bind_source(ctx, pod, attempt, verdict, conn, form);
    set_destination(ctx, pod, attempt, verdict, form);
    return 1;
}

/* ---- the stages ------------------------------------------------------------------------------ */

static __always_inline int judge_and_rewrite(struct bpf_sock_addr* ctx, struct bpf_sock* sk,
                                             const struct attempt* attempt, const enum form form) {
    const struct fsm_pod* pod = bpf_map_lookup_elem(&fsm_pods, &attempt->netns_cookie);
    struct tcp_sock* tcp = pod ? tcp_sock_of(sk) : 0;
    if (!tcp) {
        return 1;
    }
    return rewrite(ctx, sk, pod, attempt, judge(pod, tcp, attempt), form);
}

SEC("cgroup/connect4")
int fsm_connect4(struct bpf_sock_addr* ctx) {
    struct bpf_sock* sk = ctx->sk;
    if (!is_tcp(ctx) || !sk) {
        return 1;
    }
    struct attempt attempt = {};
    translate4(ctx, sk, &attempt);
    return judge_and_rewrite(ctx, sk, &attempt, FORM_V4);
}

SEC("cgroup/connect6")
int fsm_connect6(struct bpf_sock_addr* ctx) {
    struct bpf_sock* sk = ctx->sk;
    if (!is_tcp(ctx) || !sk) {
        return 1;
    }
    struct attempt attempt = {};
    translate6(ctx, sk, &attempt);
    return is_v4(&attempt.destination.address)
               ? judge_and_rewrite(ctx, sk, &attempt, FORM_V4_MAPPED)
               : judge_and_rewrite(ctx, sk, &attempt, FORM_V6);
}

char fsm_license[] SEC("license") __weak = "GPL";
