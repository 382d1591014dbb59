/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What policy_run.bpf.c is asked, and its answers: read by both sides. */
#ifndef FSM_TEST_BPF_POLICY_RUN_H
#define FSM_TEST_BPF_POLICY_RUN_H

#include "bpf/abi.h"

struct fsm_policy_question {
    struct fsm_pod pod;
    __u64 netns_cookie;
    struct fsm_address local; /* for outbound: the destination */
    struct fsm_address remote;
    __u16 port;
    __u8 outbound_listed;
    __u8 inbound_wanted;
    __u8 inbound_intercepted;
    __u8 pad[3];
};

#endif
