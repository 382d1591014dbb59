// SPDX-License-Identifier: GPL-2.0
/* Programs that probe the behaviour of the running kernel on sockets and namespaces which user
 * space creates for it. They never process a pod's traffic.
 *
 * probe_msg redirects, on request, what one chosen sender writes to one chosen receiver, and
 * reports what it can read of the receiver's kernel object: the same reads on which the data path
 * bases its order and flow-control rule. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define PROBE_RECEIVER 1

/* Only the fields that are read; CO-RE relocates them to the running kernel's offsets. */
typedef struct {
    int counter;
} atomic_t;

typedef struct {
    __s64 counter;
} atomic64_t;

struct sock_common {
    atomic64_t skc_cookie;
} __attribute__((preserve_access_index));

struct sock {
    struct sock_common __sk_common;
    struct {
        atomic_t rmem_alloc;
    } sk_backlog;
} __attribute__((preserve_access_index));

struct tcp_sock {
    __u32 copied_seq;
} __attribute__((preserve_access_index));

struct sk_msg {
    struct sock* sk_redir;
} __attribute__((preserve_access_index));

struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u64);
} probe_sockets SEC(".maps");

/* Set by user space. */
volatile __u32 sender_port; /* host order; 0: no sender */
volatile __u32 redirecting;

/* Read by user space: what the program saw of the receiver at the latest message. */
volatile __u64 receiver;
volatile __u64 receiver_cookie;
volatile __u32 receiver_copied_seq;
volatile __u32 receiver_unread;
volatile __u32 failed_reads;
volatile __u32 messages;

static __always_inline void look_at(struct sock* peer) {
    __u64 cookie = 0;
    __u32 copied_seq = 0, unread = 0;

    if (bpf_core_read(&cookie, sizeof(cookie), &peer->__sk_common.skc_cookie.counter) ||
        bpf_core_read(&copied_seq, sizeof(copied_seq), &((struct tcp_sock*)peer)->copied_seq) ||
        bpf_core_read(&unread, sizeof(unread), &peer->sk_backlog.rmem_alloc.counter)) {
        failed_reads++;
        return;
    }
    receiver_cookie = cookie;
    receiver_copied_seq = copied_seq;
    receiver_unread = unread;
}

SEC("sk_msg")
int probe_msg(struct sk_msg_md* msg) {
    __u32 key = PROBE_RECEIVER;
    struct sock* peer = (struct sock*)receiver;
    int verdict;

    if (msg->local_port != sender_port)
        return SK_PASS;
    messages++;
    if (peer)
        look_at(peer);
    if (!redirecting)
        return SK_PASS;
    verdict = bpf_msg_redirect_hash(msg, &probe_sockets, &key, BPF_F_INGRESS);
    if (!peer && verdict == SK_PASS) {
        if (bpf_core_read(&peer, sizeof(peer), &((struct sk_msg*)msg)->sk_redir) || !peer) {
            failed_reads++;
            return verdict;
        }
        receiver = (__u64)peer;
        look_at(peer);
    }
    return verdict;
}

SEC("sk_lookup")
int probe_lookup(struct bpf_sk_lookup* ctx) {
    return SK_PASS;
}

SEC("tc")
int probe_tc(struct __sk_buff* skb) {
    return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
