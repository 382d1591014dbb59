/* SPDX-License-Identifier: GPL-2.0-only */
/* sk_lookup: steers new connections to the sidecar's listeners. It runs only when the kernel looks
 * up a listener, that is for SYNs. The connection keeps its addresses and ports, so nothing is
 * translated or remembered: the local address of the accepted socket is the original destination.
 *
 * fsm_lookup is attached to the network namespace of one pod and knows its netns cookie; it calls
 * fsm_steer, which all pods share. Only listeners of the pod's own namespace are assigned. */
#include <linux/in.h>

#include "count.h"
#include "own_netns.h"
#include "policy.h"

/* Assigns the first live listener of the key. Returns 0 if there is none. */
static __always_inline int assign(struct bpf_sk_lookup* ctx, struct fsm_listener_key* key) {
    for (int slot = 0; slot < FSM_LISTENER_SLOTS; slot++) {
        key->slot = slot;
        struct bpf_sock* listener = bpf_map_lookup_elem(&fsm_listeners, key);
        if (!listener) {
            continue;
        }
        /* In a SO_REUSEPORT group the kernel still selects the socket by the connection's hash. */
        const long failed = bpf_sk_assign(ctx, listener, 0);
        bpf_sk_release(listener);
        if (!failed) {
            return 1;
        }
    }
    return 0;
}

/* Whether a loopback destination arrived through an interface. For other destinations the interface
 * proves nothing: a pod's call to its own address often shows eth0, too. ingress_ifindex exists
 * since Linux 5.17. */
static __always_inline int loopback_from_outside(const struct bpf_sk_lookup* ctx,
                                                 const struct fsm_address* local) {
    return is_loopback(local) && bpf_core_field_exists(ctx->ingress_ifindex) &&
           ctx->ingress_ifindex > LOOPBACK_IFINDEX;
}

/* The destination may be any address: what arrives in the namespace is the pod's. */
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
    /* Refuse the connection, as iptables' redirection to a closed port does. */
    count(FSM_COUNTER_INBOUND_NO_LISTENER);
    return SK_DROP;
}

/* Assigns a connection that the connect hook redirected to 127.x.y.z to a sidecar that listens on
 * 127.0.0.1. */
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

/* Shared by all pods; called by a pod's own program. */
SEC("sk_lookup")
int fsm_steer(struct bpf_sk_lookup* ctx) {
    const __u32 zero = 0;
    const struct fsm_caller* caller = bpf_map_lookup_elem(&fsm_callers, &zero);
    /* Another lookup on this processor ran between the two programs and overwrote the caller. Only
     * lookups made by system calls, of tools that query for a listener, can be interrupted that
     * way; dropping them is safe. */
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
