/* SPDX-License-Identifier: GPL-2.0-only */
/* The functions of bpf/policy.h, called with what a test asks: the hooks that use them cannot be
 * run by a test. A program of tc, because the kernel runs it on any bytes: these are the question,
 * and then the answer. */
#include "test/bpf/policy_run.h"

#include <linux/pkt_cls.h>

#include "bpf/policy.h"

SEC("tc")
int policy_run(struct __sk_buff* skb) {
    struct fsm_policy_question run;
    if (bpf_skb_load_bytes(skb, 0, &run, sizeof(run))) {
        return TC_ACT_SHOT;
    }
    const __u64 cookie = run.netns_cookie;
    run.outbound_listed = outbound_listed(&run.pod, &run.local, run.port) != 0;
    run.inbound_wanted = inbound_wanted(&run.pod, cookie, &run.local, run.port, &run.remote) != 0;
    run.inbound_intercepted =
        inbound_intercepted(&run.pod, cookie, &run.local, run.port, &run.remote) != 0;
    return bpf_skb_store_bytes(skb, 0, &run, sizeof(run), 0) ? TC_ACT_SHOT : TC_ACT_OK;
}

char fsm_license[] SEC("license") __weak = "GPL";
