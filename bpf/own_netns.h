/* SPDX-License-Identifier: GPL-2.0-only */
/* The netns cookie of a program that is made for one pod: a constant that user space has put into
 * the program's code (abi.h, FSM_OWN_NETNS).
 *
 * Such a program reads the index of its tail call from memory. With a constant one the kernel
 * patches the call into the code of every program that is loaded, with interrupts to all
 * processors: more than all the rest of loading it. */
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
