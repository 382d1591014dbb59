/* SPDX-License-Identifier: GPL-2.0-only */
/* The flow cache of tc: sets of FSM_FLOW_WAYS slots; each pod has its own slots. */
#ifndef FSM_BPF_FLOWS_H
#define FSM_BPF_FLOWS_H

#include "address.h"
#include "maps.h"

/* Sets per pod; a power of two, set before loading. */
const volatile __u32 fsm_flow_sets __weak = 8192;

static __always_inline __u32 flow_set(const struct fsm_flow_tuple* tuple) {
    __u32 hash = (__u32)tuple->remote_port_be << 16 | tuple->inbound_port_be;
    for (int word = 0; word < 4; word++) {
        hash = (hash ^ tuple->remote.words[word]) * 2654435761U;
        hash ^= hash >> 15;
    }
    hash = (hash ^ tuple->pod.words[3]) * 2246822519U;
    hash ^= hash >> 13;
    return (hash & (fsm_flow_sets - 1)) * FSM_FLOW_WAYS;
}

static __always_inline int same_tuple(const struct fsm_flow_tuple* a,
                                      const struct fsm_flow_tuple* b) {
    return a->remote_port_be == b->remote_port_be && a->inbound_port_be == b->inbound_port_be &&
           equal(&a->remote, &b->remote) && equal(&a->pod, &b->pod);
}

static __always_inline struct fsm_flow* find_flow(__u64 netns_cookie,
                                                  const struct fsm_flow_tuple* tuple) {
    struct fsm_flow_key key = {.netns_cookie = netns_cookie, .slot = flow_set(tuple)};
    for (int way = 0; way < FSM_FLOW_WAYS; way++, key.slot++) {
        struct fsm_flow* flow = bpf_map_lookup_elem(&fsm_flows, &key);
        if (flow && same_tuple(&flow->tuple, tuple)) {
            return flow;
        }
    }
    return 0;
}

/* Returns the slot to write a flow to: its current slot, a free one, or that of the flow that has
 * been idle longest. If every flow in the set belongs to a live socket, one of them is overwritten;
 * it is restored from its socket later. */
static __always_inline __u32 slot_for(__u64 netns_cookie, const struct fsm_flow_tuple* tuple) {
    struct fsm_flow_key key = {.netns_cookie = netns_cookie, .slot = flow_set(tuple)};
    __u32 slot = key.slot;
    __u64 best = ~0ULL;
    for (int way = 0; way < FSM_FLOW_WAYS; way++, key.slot++) {
        const struct fsm_flow* flow = bpf_map_lookup_elem(&fsm_flows, &key);
        if (flow && same_tuple(&flow->tuple, tuple)) {
            return key.slot;
        }
        /* idle_since_ns is 0 while the socket lives: rank such flows last. */
        const __u64 rank = flow ? flow->idle_since_ns - 1 : 0;
        if (rank < best) {
            best = rank;
            slot = key.slot;
        }
    }
    return slot;
}

/* Returns 0 if the flow could not be stored. */
static __always_inline int store_flow(__u64 netns_cookie, const struct fsm_flow* flow) {
    const struct fsm_flow_key key = {
        .netns_cookie = netns_cookie,
        .slot = slot_for(netns_cookie, &flow->tuple),
    };
    return !bpf_map_update_elem(&fsm_flows, &key, flow, BPF_ANY);
}

static __always_inline void forget_flow(__u64 netns_cookie, const struct fsm_flow_tuple* tuple) {
    struct fsm_flow_key key = {.netns_cookie = netns_cookie, .slot = flow_set(tuple)};
    for (int way = 0; way < FSM_FLOW_WAYS; way++, key.slot++) {
        const struct fsm_flow* flow = bpf_map_lookup_elem(&fsm_flows, &key);
        if (flow && same_tuple(&flow->tuple, tuple)) {
            bpf_map_delete_elem(&fsm_flows, &key);
            return;
        }
    }
}

#endif
