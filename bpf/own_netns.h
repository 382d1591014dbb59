/* SPDX-License-Identifier: GPL-2.0-only */
/* The netns cookie of a per-pod program: a constant that user space patches into the program's code
 * (abi.h, FSM_OWN_NETNS).
 *
 * Per-pod programs read the index of their tail call from memory. With a constant index the kernel
 * patches the jump into every loaded program, which interrupts all processors and takes longer than
 * the rest of the load. */
#ifndef FSM_BPF_OWN_NETNS_H
#define FSM_BPF_OWN_NETNS_H

#include "abi.h"

#define FSM_TEXT_OF(token) #token
#define FSM_TEXT(macro) FSM_TEXT_OF(macro)

static __always_inline __u64 own_netns(void) {
    __u64 cookie;
    asm volatile("%0 = " FSM_TEXT(FSM_OWN_NETNS) " ll" : "=r"(cookie));
    return cookie;
}

#endif
