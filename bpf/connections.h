/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the iterator of open connections (connections.bpf.c) returns: one record per socket, in the
 * map fsm_open. A read() of the iterator returns a byte for each record, of which the first is in
 * slot 0. A read of at most FSM_OPEN_SLOTS bytes is one pass of the kernel over its list: no socket
 * is left out because others come and go. The kernel's buffer for what a read returns, 8 pages,
 * would hold 240 records.
 *
 * Included by bpf/ and by interceptor/datapath, like abi.h. The iterator and its reader are one
 * build, and nothing of it is pinned: no layout number covers this. */
#ifndef FSM_BPF_CONNECTIONS_H
#define FSM_BPF_CONNECTIONS_H

#include "abi.h"

#define FSM_OPEN_SLOTS 16384

enum fsm_open_flag {
    FSM_OPEN_IN_MESH = 1 << 0,       /* its pod is enrolled now; without it, `scope` is 0 */
    FSM_OPEN_SIDECAR = 1 << 1,       /* the sidecar owns the socket */
    FSM_OPEN_IN_SOCKET_MAP = 1 << 2, /* it is accelerated, if its other end is, too */
    FSM_OPEN_KNOWS_PEER = 1 << 3,    /* of an accelerated one: its other end */
    FSM_OPEN_ULP = 1 << 4,           /* it has an upper-layer protocol, such as kTLS */
    FSM_OPEN_MPTCP = 1 << 5,
    FSM_OPEN_FIN_RECEIVED = 1 << 6,
};

/* Addresses of both families in the form of struct fsm_address. */
struct fsm_open_socket {
    __u64 netns_cookie;
    __u64 socket_cookie;
    __u64 age_ns;     /* since the connection was established; 0: it is not (yet) */
    __u64 received;   /* bytes by TCP, in order; a FIN counts as one */
    __u64 acked;      /* bytes that were sent by TCP and acknowledged by the other end */
    __u64 redirected; /* bytes that were moved into the other end's queue */
    struct fsm_address local;
    struct fsm_address remote;
    struct fsm_address original; /* the answer to SO_ORIGINAL_DST */
    __u32 client_isn;            /* with server_isn, the same at both ends; both 0: unknown */
    __u32 server_isn;
    __u32 unread; /* bytes that came by TCP; a FIN counts as one */
    __u32 queued; /* memory of everything unread; of redirected data its bytes */
    __u32 unsent; /* bytes by TCP that the other end has not acknowledged */
    __u32 uid;    /* of the socket, as the host sees it */
    __u16 local_port;
    __u16 remote_port;
    __u16 original_port;
    __u8 state; /* enum of linux/tcp_states.h: 1 is ESTABLISHED */
    __u8 place; /* enum fsm_place */
    __u8 scope; /* enum fsm_scope of its pod */
    /* Of the client's end: the least enum fsm_scope that would accelerate the connection, by the
     * pods as they are now; more than FSM_SCOPE_FULL: none. */
    __u8 scope_needed;
    __u16 flags; /* enum fsm_open_flag */
    __u32 pad;
};

FSM_ABI_ASSERT(sizeof(struct fsm_open_socket) == 136, "fsm_open_socket has no hidden padding");

#endif
