/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel structures that the programs read, reduced to the fields that they use. CO-RE
 * relocates the offsets at load time, so no generated vmlinux.h is needed. */
#ifndef FSM_BPF_KERNEL_H
#define FSM_BPF_KERNEL_H

#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOL_IP 0
#define SOL_IPV6 41
#define SO_ORIGINAL_DST 80 /* the same number at both levels */
#define EINVAL 22
#define EEXIST 17
#define LOOPBACK_IFINDEX 1 /* in every network namespace */

typedef struct {
    unsigned int val;
} kuid_t;

typedef struct {
    unsigned int val;
} kgid_t;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cred {
    kuid_t fsuid;
    kgid_t fsgid;
};

struct file {
    const struct cred* f_cred;
};

struct socket {
    struct file* file;
};

struct net {
    __u64 net_cookie;
};

typedef struct {
    struct net* net;
} possible_net_t;

struct sock_common {
    __u32 skc_daddr;
    __u32 skc_rcv_saddr;
    __u16 skc_dport;
    __u16 skc_num;
    __u16 skc_family;
    volatile unsigned char skc_state;
    unsigned char skc_ipv6only : 1;
    possible_net_t skc_net;
    struct fsm_address skc_v6_daddr; /* struct in6_addr */
    struct fsm_address skc_v6_rcv_saddr;
    struct {
        long long counter;
    } skc_cookie;
};

struct sock {
    struct sock_common __sk_common;
    struct {
        struct {
            int counter;
        } rmem_alloc;
    } sk_backlog;
    struct socket* sk_socket;
    kuid_t sk_uid;
    unsigned char sk_shutdown;
    int sk_rcvbuf;
};

struct inet_sock {
    struct sock sk;
};

struct inet_connection_sock {
    struct inet_sock icsk_inet;
    const void* icsk_ulp_ops;
};

struct tcp_sock {
    struct inet_connection_sock inet_conn;
    __u32 copied_seq;
    __u32 write_seq;
    __u32 rcv_nxt;
    __u32 snd_una;
    __u64 bytes_received;
    __u64 bytes_acked;
    _Bool is_mptcp;
};

#pragma clang attribute pop

/* The kernel's TCP socket; NULL if `sk` is not a full TCP socket. */
#define tcp_sock_of(sk) ((struct tcp_sock*)bpf_skc_to_tcp_sock(sk))

static __always_inline struct sock* sock_of(struct tcp_sock* tcp) {
    return &tcp->inet_conn.icsk_inet.sk;
}

#endif
