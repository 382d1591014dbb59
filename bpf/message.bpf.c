/* SPDX-License-Identifier: GPL-2.0-only */
/* sk_msg: moves a message directly into the reader's queue, when that keeps the guarantees of TCP.
 *
 * The kernel's own redirection breaks two guarantees: the reader gets redirected data before data
 * that arrived earlier by TCP, and redirected data ignores the receive window. One rule restores
 * both: a message is redirected only if the reader has read every byte that went by TCP in this
 * direction and has less than a limit of redirected bytes unread; otherwise it goes by TCP. The
 * reader empties the redirected queue first and the TCP queue after it, so the order holds both
 * ways; TCP's window stops the writer; and redirection resumes when the reader has caught up. */
#include "count.h"
#include "kernel.h"
#include "maps.h"
#include "share.h"

/* What the sender sees of its reader. */
struct reader {
    __u64 cookie;
    __u32 copied_seq; /* everything that came by TCP before this number has been read */
    __u32 unread;     /* bytes */
    __u64 ulp;        /* not 0: the reader has an upper-layer protocol, such as kTLS */
};

/* A client learns its peer from the handshake after the server's end has claimed it. */
static __always_inline int learn_peer(struct fsm_pace* pace) {
    struct fsm_handshake* claimed = bpf_map_lookup_elem(&fsm_handshakes, &pace->handshake);
    if (!claimed) {
        return 0;
    }
    const __u64 sock = *(volatile __u64*)&claimed->server_sock;
    if (!sock) {
        return 0;
    }
    pace->peer_cookie = claimed->server_cookie;
    pace->peer_sock = sock;
    remove_handshake(&pace->handshake, claimed->client_netns);
    return 1;
}

/* Reads the reader's socket by its kernel address. The socket may be freed and its memory reused
 * for another TCP socket (the kernel allocates TCP sockets from their own slab): the cookie detects
 * that, and is read last, after the fields that it validates. */
static __always_inline int read_reader(__u64 address, struct reader* reader) {
    struct tcp_sock* tcp = (struct tcp_sock*)address;
    struct sock* sk = (struct sock*)address;
    int unread = 0;
    if (bpf_core_read(&reader->copied_seq, sizeof(reader->copied_seq), &tcp->copied_seq) ||
        bpf_core_read(&unread, sizeof(unread), &sk->sk_backlog.rmem_alloc.counter) ||
        bpf_core_read(&reader->ulp, sizeof(reader->ulp), &tcp->inet_conn.icsk_ulp_ops) ||
        bpf_core_read(&reader->cookie, sizeof(reader->cookie),
                      &sk->__sk_common.skc_cookie.counter)) {
        return 0;
    }
    reader->unread = unread < 0 ? 0 : (__u32)unread;
    return 1;
}

SEC("sk_msg")
int fsm_msg(struct sk_msg_md* msg) {
    struct bpf_sock* sk = msg->sk;
    if (!sk) {
        return SK_PASS;
    }
    struct fsm_pace* pace = bpf_sk_storage_get(&fsm_pace, sk, 0, 0);
    struct tcp_sock* tcp = tcp_sock_of(sk);
    if (!pace || !tcp) {
        return SK_PASS;
    }
    struct reader reader = {};
    if ((!pace->peer_sock && !learn_peer(pace)) || !read_reader(pace->peer_sock, &reader) ||
        reader.cookie != pace->peer_cookie) {
        count(FSM_COUNTER_MESSAGE_NO_PEER);
        return SK_PASS;
    }
    /* kTLS was enabled after establishment: redirection would bypass it. */
    if (reader.ulp || tcp->inet_conn.icsk_ulp_ops) {
        count(FSM_COUNTER_MESSAGE_NO_PEER);
        return SK_PASS;
    }
    if (reader.copied_seq != tcp->write_seq) {
        count(FSM_COUNTER_MESSAGE_BEHIND_TCP);
        return SK_PASS;
    }
    const __u32 zero = 0;
    const struct fsm_settings* settings = bpf_map_lookup_elem(&fsm_settings, &zero);
    if (!settings || reader.unread >= settings->unread_limit) {
        count(FSM_COUNTER_MESSAGE_OVER_LIMIT);
        return SK_PASS;
    }
    const __u32 size = msg->size;
    /* A stream of small messages: TCP coalesces them, while redirection wakes the reader for each.
     */
    if (reader.unread && size < settings->coalesce_below) {
        count(FSM_COUNTER_MESSAGE_COALESCED);
        return SK_PASS;
    }
    if (bpf_msg_redirect_hash(msg, &fsm_sockets, &pace->peer, BPF_F_INGRESS) != SK_PASS) {
        count(FSM_COUNTER_MESSAGE_NO_PEER);
        return SK_PASS;
    }
    pace->redirected += size;
    count(FSM_COUNTER_MESSAGE_REDIRECTED);
    count_many(FSM_COUNTER_MESSAGE_BYTES, size);
    return SK_PASS;
}

char fsm_license[] SEC("license") __weak = "GPL";
