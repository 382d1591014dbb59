/* SPDX-License-Identifier: GPL-2.0-only */
/* sk_lookup: steers new connections to the listeners of the sidecar. Runs only when the kernel
 * looks for a listener, that is for SYNs; the connection keeps its addresses and ports, so there is
 * nothing to translate and nothing to remember, and the accepted socket's own local address is the
 * original destination.
 *
 * fsm_lookup is attached to one pod's network namespace and knows its cookie; fsm_steer does the
 * work for all of them. Only listeners of that namespace are ever assigned. */
#include <linux/in.h>

#include "count.h"
#include "own_netns.h"
#include "policy.h"

/* Assigns the first live listener of the key. 0: there is none. */
static __always_inline int assign(struct bpf_sk_lookup* ctx, struct fsm_listener_key* key) {
    for (int slot = 0; slot < FSM_LISTENER_SLOTS; slot++) {
        key->slot = slot;
        struct bpf_sock* listener = bpf_map_lookup_elem(&fsm_listeners, key);
        if (!listener) {
            continue;
        }
        /* Among SO_REUSEPORT listeners the kernel goes on to choose by the connection's hash. */
        const long failed = bpf_sk_assign(ctx, listener, 0);
        bpf_sk_release(listener);
        if (!failed) {
            return 1;
        }
    }
    return 0;
}

/* A loopback address that came through an interface. For other addresses the interface says
 * nothing: that of a pod's call to its own address is often eth0, too. Known since Linux 5.17. */
static __always_inline int loopback_from_outside(const struct bpf_sk_lookup* ctx,
                                                 const struct fsm_address* local) {
    return is_loopback(local) && bpf_core_field_exists(ctx->ingress_ifindex) &&
           ctx->ingress_ifindex > LOOPBACK_IFINDEX;
}

/* Whatever address of the pod it is for: what arrives in the namespace is the pod's. */
static __always_inline int steer_inbound(struct bpf_sk_lookup* ctx, const struct fsm_pod* pod,
                                         __u64 netns_cookie, const struct fsm_address* local,
                                         const struct fsm_address* remote) {
    const __u16 port = (__u16)ctx->local_port;
    if ((pod->flags & FSM_POD_INBOUND_TC) ||
        !(loopback_from_outside(ctx, local)
              ? inbound_wanted(pod, netns_cookie, local, port, remote)
              : inbound_intercepted(pod, netns_cookie, local, port, remote))) {
        return SK_PASS;
    }
    struct fsm_listener_key key = {
        .netns_cookie = netns_cookie,
        .port = inbound_port(pod, local),
        .family = is_v4(local) ? AF_INET : AF_INET6,
        .bind = FSM_BIND_POD,
    };
    if (assign(ctx, &key)) {
        count(FSM_COUNTER_INBOUND_STEERED);
        return SK_PASS;
    }
    /* Connection refused, as iptables' redirection to a closed port. */
    count(FSM_COUNTER_INBOUND_NO_LISTENER);
    return SK_DROP;
}

/* A connection that the connect hook sent to 127.x.y.z, for a sidecar that listens on 127.0.0.1. */
static __always_inline int steer_outbound(struct bpf_sk_lookup* ctx, const struct fsm_pod* pod,
                                          __u64 netns_cookie, const struct fsm_address* local) {
    if (is_localhost(local) || !is_v4(local) || ctx->local_port != pod->outbound_port4) {
        return SK_PASS;
    }
    struct fsm_listener_key key = {
        .netns_cookie = netns_cookie,
        .port = pod->outbound_port4,
        .family = AF_INET,
        .bind = FSM_BIND_LOOPBACK,
    };
    assign(ctx, &key);
    return SK_PASS;
}

/* Called by the program of one pod. */
SEC("sk_lookup")
int fsm_steer(struct bpf_sk_lookup* ctx) {
    const __u32 zero = 0;
    const struct fsm_caller* caller = bpf_map_lookup_elem(&fsm_callers, &zero);
    /* Interrupted between the two programs by another look-up: only one in a system call, of a tool
     * that asks for a listener, can be. */
    if (!caller || caller->context != (__u64)ctx) {
        return SK_DROP;
    }
    const __u64 netns_cookie = caller->netns_cookie;
    const struct fsm_pod* pod = bpf_map_lookup_elem(&fsm_pods, &netns_cookie);
    if (!pod) {
        return SK_PASS;
    }
    struct fsm_address local = {};
    struct fsm_address remote = {};
    if (ctx->family == AF_INET) {
        set_v4(&local, ctx_read(ctx->local_ip4));
        set_v4(&remote, ctx_read(ctx->remote_ip4));
    } else {
        set_v6(&local, ctx_read(ctx->local_ip6[0]), ctx_read(ctx->local_ip6[1]),
               ctx_read(ctx->local_ip6[2]), ctx_read(ctx->local_ip6[3]));
        set_v6(&remote, ctx_read(ctx->remote_ip6[0]), ctx_read(ctx->remote_ip6[1]),
               ctx_read(ctx->remote_ip6[2]), ctx_read(ctx->remote_ip6[3]));
    }
    return is_loopback(&local) && !loopback_from_outside(ctx, &local)
               ? steer_outbound(ctx, pod, netns_cookie, &local)
               : steer_inbound(ctx, pod, netns_cookie, &local, &remote);
}

SEC("sk_lookup")
int fsm_lookup(struct bpf_sk_lookup* ctx) {
    if (ctx->protocol != IPPROTO_TCP) {
        return SK_PASS;
    }
    const __u32 zero = 0;
    struct fsm_caller* caller = bpf_map_lookup_elem(&fsm_callers, &zero);
    if (!caller) {
        return SK_DROP;
    }
    caller->context = (__u64)ctx;
    caller->netns_cookie = own_netns();
    caller->call = FSM_CALL_LOOKUP;
    bpf_tail_call(ctx, &fsm_lookup_calls, *(volatile __u32*)&caller->call);
    /* Reached only when the array is empty. */
    return SK_DROP;
}

char fsm_license[] SEC("license") __weak = "GPL";
