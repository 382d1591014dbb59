/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Events that the programs send to user space: what cannot be read from the maps afterwards.
 *
 * Included by bpf/ and by interceptor/datapath, like abi.h. The ring buffer belongs to the process
 * that has loaded the programs: it is not pinned and not adopted, so no layout number covers this.
 * / */
#ifndef FSM_BPF_EVENTS_H
#define FSM_BPF_EVENTS_H

#include <linux/types.h>

enum fsm_event_kind {
    FSM_EVENT_CONNECT_OVER_SHARE = 1, /* a connect() was refused: the pod has its share */
};

struct fsm_event {
    __u64 netns_cookie;
    __u32 kind; /* enum fsm_event_kind */
    __u32 pad;
};

#endif
