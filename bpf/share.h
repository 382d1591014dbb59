/* SPDX-License-Identifier: GPL-2.0-only */
/* What a pod may hold of the maps that all pods share: one that takes without end loses its own
 * acceleration or connections, not another's. */
#ifndef FSM_BPF_SHARE_H
#define FSM_BPF_SHARE_H

#include "maps.h"

/* Set before loading. */
const volatile __u32 fsm_handshakes_per_pod __weak = 32768;
const volatile __u32 fsm_sockets_per_pod __weak = 65536;

/* 0: the pod has its share. */
static __always_inline int take_share(__s32* used, __u32 share) {
    if (__sync_fetch_and_add(used, 1) < (__s32)share) {
        return 1;
    }
    __sync_fetch_and_add(used, -1);
    return 0;
}

/* A pod without an entry has just been withdrawn: what it still takes goes with its sockets. */
static __always_inline int take_handshake(__u64 netns_cookie) {
    struct fsm_usage* usage = bpf_map_lookup_elem(&fsm_usage, &netns_cookie);
    return !usage || take_share(&usage->handshakes, fsm_handshakes_per_pod);
}

/* Asked at connect(), where a refusal is an error of the application's own call. */
static __always_inline int may_take_handshake(__u64 netns_cookie) {
    const struct fsm_usage* usage = bpf_map_lookup_elem(&fsm_usage, &netns_cookie);
    return !usage || usage->handshakes < (__s32)fsm_handshakes_per_pod;
}

/* Handshakes of connections that may be accelerated stay until the first message: they take only
 * half of the share, so that others can still be made. */
static __always_inline int may_wait_for_message(__u64 netns_cookie) {
    const struct fsm_usage* usage = bpf_map_lookup_elem(&fsm_usage, &netns_cookie);
    return !usage || usage->handshakes <= (__s32)(fsm_handshakes_per_pod / 2);
}

static __always_inline int take_socket(__u64 netns_cookie) {
    struct fsm_usage* usage = bpf_map_lookup_elem(&fsm_usage, &netns_cookie);
    return !usage || take_share(&usage->sockets, fsm_sockets_per_pod);
}

static __always_inline void give_back_socket(__u64 netns_cookie) {
    struct fsm_usage* usage = bpf_map_lookup_elem(&fsm_usage, &netns_cookie);
    if (usage) {
        __sync_fetch_and_add(&usage->sockets, -1);
    }
}

static __always_inline void give_back_handshake(__u64 netns_cookie) {
    struct fsm_usage* usage = bpf_map_lookup_elem(&fsm_usage, &netns_cookie);
    if (usage) {
        __sync_fetch_and_add(&usage->handshakes, -1);
    }
}

/* Removes a handshake and gives its place back to the client's pod, if it is still there. */
static __always_inline void remove_handshake(const struct fsm_handshake_key* key,
                                             __u64 client_netns) {
    if (!bpf_map_delete_elem(&fsm_handshakes, key)) {
        give_back_handshake(client_netns);
    }
}

#endif
