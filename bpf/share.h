/* SPDX-License-Identifier: GPL-2.0-only */
/* Limits on what one pod may hold in the maps that all pods share. A pod that exceeds its share
 * loses its own acceleration or connections; other pods are not affected. */
#ifndef FSM_BPF_SHARE_H
#define FSM_BPF_SHARE_H

#include "maps.h"

/* Set before loading. */
const volatile __u32 fsm_handshakes_per_pod __weak = 32768;
const volatile __u32 fsm_sockets_per_pod __weak = 65536;

/* Returns 0 if the pod has used up its share. */
static __always_inline int take_share(__s32* used, __u32 share) {
    if (__sync_fetch_and_add(used, 1) < (__s32)share) {
        return 1;
    }
    __sync_fetch_and_add(used, -1);
    return 0;
}

/* A pod without an entry has just been withdrawn: its remaining handshakes are removed when its
 * sockets close. */
static __always_inline int take_handshake(__u64 netns_cookie) {
    struct fsm_usage* usage = bpf_map_lookup_elem(&fsm_usage, &netns_cookie);
    return !usage || take_share(&usage->handshakes, fsm_handshakes_per_pod);
}

/* Checked at connect(), where a refusal becomes an error of the application's own call. */
static __always_inline int may_take_handshake(__u64 netns_cookie) {
    const struct fsm_usage* usage = bpf_map_lookup_elem(&fsm_usage, &netns_cookie);
    return !usage || usage->handshakes < (__s32)fsm_handshakes_per_pod;
}

/* The handshake of a connection that may be accelerated stays until the first message. Such
 * handshakes may use only half of the share, so that the pod can still open other connections. */
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

/* Removes a handshake and returns its place to the share of the client's pod, if the pod is still
 * enrolled. */
static __always_inline void remove_handshake(const struct fsm_handshake_key* key,
                                             __u64 client_netns) {
    if (!bpf_map_delete_elem(&fsm_handshakes, key)) {
        give_back_handshake(client_netns);
    }
}

#endif
