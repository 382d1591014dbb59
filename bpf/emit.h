/* SPDX-License-Identifier: GPL-2.0-only */
/* Sends events to user space. */
#ifndef FSM_BPF_EMIT_H
#define FSM_BPF_EMIT_H

#include "events.h"
#include "features.h"
#include "maps.h"

/* Not pinned: see events.h. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} fsm_events FSM_MAP;

/* An event that does not fit is dropped: user space reads every second, and the counters include
 * every one. */
static __always_inline void emit(__u64 netns_cookie, __u32 kind) {
    if (!fsm_events_told) {
        return;
    }
    const struct fsm_event event = {.netns_cookie = netns_cookie, .kind = kind};
    bpf_ringbuf_output(&fsm_events, (void*)&event, sizeof(event), BPF_RB_NO_WAKEUP);
}

#endif
