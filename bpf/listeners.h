/* SPDX-License-Identifier: GPL-2.0-only */
/* When a sidecar's socket begins to listen, it enters the map of listeners, and its kind is
 * recorded. */
#ifndef FSM_BPF_LISTENERS_H
#define FSM_BPF_LISTENERS_H

#include "count.h"
#include "end.h"
#include "policy.h"

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

#endif
