/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters, and trace output to the kernel's trace pipe when `kernelTracing` is on. */
#ifndef FSM_BPF_COUNT_H
#define FSM_BPF_COUNT_H

#include "maps.h"

/* Set before loading; a constant for the verifier, which drops the calls when it is 0. */
const volatile __u32 fsm_tracing __weak = 0;

#define trace(format, ...)                             \
    do {                                               \
        if (fsm_tracing) {                             \
            bpf_printk("fsm: " format, ##__VA_ARGS__); \
        }                                              \
    } while (0)

static __always_inline void count_many(__u32 counter, __u64 amount) {
    __u64* value = bpf_map_lookup_elem(&fsm_counters, &counter);
    if (value) {
        *value += amount;
    }
}

static __always_inline void count(__u32 counter) {
    count_many(counter, 1);
}

#endif
