/* SPDX-License-Identifier: GPL-2.0-only */
/* Every map of the data path, and the values that only the programs use.
 *
 * The values below are not part of the contract with user space, but the maps that hold them are
 * pinned and outlive an upgrade: raise FSM_ABI_LAYOUT (abi.h) when they change, too.
 *
 * Definitions are weak, because several objects include them and are linked into one. Sizes are
 * defaults: user space sets them from its configuration before loading. */
#ifndef FSM_BPF_MAPS_H
#define FSM_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

#define FSM_MAP SEC(".maps") __weak

/* The pods of the mesh by netns cookie, with their policy. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, struct fsm_pod);
} fsm_pods FSM_MAP;

/* The netns cookie of the pod of this node that the cluster has assigned an address to. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, struct fsm_address);
    __type(value, __u64);
} fsm_pod_ips FSM_MAP;

/* The addresses of each pod: a connection to one of them stays inside the pod. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, struct fsm_own_address);
    __type(value, __u8);
} fsm_addresses FSM_MAP;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, struct fsm_observed);
} fsm_observed FSM_MAP;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, struct fsm_usage);
} fsm_usage FSM_MAP;

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, struct fsm_port_key);
    __type(value, __u8);
} fsm_ports FSM_MAP;

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, struct fsm_range_key);
    __type(value, __u8);
} fsm_ranges FSM_MAP;

struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, 16384);
    __type(key, struct fsm_listener_key);
    __type(value, __u64);
} fsm_listeners FSM_MAP;

struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, 262144);
    __type(key, struct fsm_end_key);
    __type(value, __u64);
} fsm_sockets FSM_MAP;

/* The original destination port of a connection under tc. A cache only: the socket holds the port,
 * too, and an evicted entry is restored from it. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 262144);
    __type(key, struct fsm_flow_key);
    __type(value, struct fsm_flow);
} fsm_flows FSM_MAP;

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, FSM_LOOKUP_CALLS);
    __type(key, __u32);
    __type(value, __u32);
} fsm_lookup_calls FSM_MAP;

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, FSM_TC_CALLS);
    __type(key, __u32);
    __type(value, __u32);
} fsm_tc_calls FSM_MAP;

/* The arguments of fsm_lookup's tail call. `context` validates them: if another run interrupts the
 * caller on the same processor, the called program finds a different context. */
struct fsm_caller {
    __u64 context;
    __u64 netns_cookie;
    __u32 call; /* enum fsm_lookup_call; own_netns.h: why it is in memory */
    __u32 pad;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct fsm_caller);
} fsm_callers FSM_MAP;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct fsm_settings);
} fsm_settings FSM_MAP;

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, FSM_COUNTER_COUNT);
    __type(key, __u32);
    __type(value, __u64);
} fsm_counters FSM_MAP;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, struct fsm_container_key);
    __type(value, __u32);
} fsm_containers FSM_MAP;

/* ---- connections ------------------------------------------------------------------------------
 */

/* An address and a port, as socket calls return them. */
struct fsm_endpoint {
    struct fsm_address address;
    __u16 port_be;
    __u16 pad;
};

/* The role of a socket in an intercepted (or plain) connection. */
enum fsm_place {
    FSM_PLACE_NONE = 0,
    FSM_PLACE_PLAIN_CLIENT, /* connected to the destination that it asked for */
    FSM_PLACE_PLAIN_SERVER, /* accepted by the original destination, not redirected */
    FSM_PLACE_OUTBOUND,     /* the application's end, redirected to the outbound listener */
    FSM_PLACE_SELF_CALL,    /* the sidecar's client end, redirected to its inbound listener */
    FSM_PLACE_AT_OUTBOUND,  /* the sidecar's server end of FSM_PLACE_OUTBOUND */
    FSM_PLACE_AT_SELF,      /* the sidecar's server end of FSM_PLACE_SELF_CALL */
    FSM_PLACE_AT_INBOUND,   /* accepted by the inbound listener from outside the pod */
};

/* The pair of initial sequence numbers. Both ends know it exactly, regardless of NAT between them.
 * An address tuple would be unique only inside one netns. */
struct fsm_handshake_key {
    __u32 client_isn;
    __u32 server_isn;
};

/* State of one connection; it is freed with the socket. */
struct fsm_conn {
    struct fsm_endpoint original; /* the answer to SO_ORIGINAL_DST */
    __u8 place;                   /* enum fsm_place */
    __u8 bound_by_us;             /* we bound the source address: undo it before a plain connect */
    struct fsm_endpoint shown;    /* what the sockname hooks return instead of loopback */
    __u8 handshake_published;
    __u8 awaits_handshake; /* the server's end was established before the client's */
    __u8 in_socket_map;    /* and counted in its pod's share */
    __u8 by_tc;            /* the original port is also in fsm_flows */
    struct fsm_handshake_key handshake;
    __u64 established_ns; /* CLOCK_MONOTONIC; 0: not yet */
};

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct fsm_conn);
} fsm_conn FSM_MAP;

/* What the client's end publishes for the server's end, and, once claimed, the server's answer. The
 * entry is removed by the first of: the server's end, if the connection is not accelerated; the
 * client's end, after it has read the answer; the client's close. So there are never more entries
 * than connections, and none is evicted before it is claimed. */
struct fsm_handshake {
    __u64 client_netns;
    __u64 client_cookie;
    __u64 client_sock; /* kernel address of the struct sock; read-only, see message.bpf.c */
    __u64 server_cookie;
    __u64 server_sock; /* 0 until claimed */
    struct fsm_endpoint original;
    struct fsm_address shown; /* the client's source address, if the loopback one hides it */
    __u8 place;               /* enum fsm_place of the client's end */
    __u8 accelerate;          /* the client's end is in fsm_sockets */
    __u8 pad[2];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 262144);
    __type(key, struct fsm_handshake_key);
    __type(value, struct fsm_handshake);
} fsm_handshakes FSM_MAP;

/* What the sender of an accelerated connection knows of its peer, the reader. */
struct fsm_pace {
    struct fsm_end_key peer; /* the reader's key in fsm_sockets */
    __u64 peer_sock;         /* 0: not yet known */
    __u64 peer_cookie;
    struct fsm_handshake_key handshake; /* where a client reads the two above */
    __u64 redirected;                   /* bytes that were moved into the reader's queue */
};

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct fsm_pace);
} fsm_pace FSM_MAP;

#endif
