/* SPDX-License-Identifier: GPL-2.0-only */
/* Every map of the data path, and the values that only the programs use.
 *
 * The values below are not part of the contract with user space, but the maps that hold them are
 * pinned and outlive an upgrade: FSM_ABI_LAYOUT (abi.h) rises when they change, too.
 *
 * Definitions are weak, because several objects include them and are linked into one. Sizes are
 * defaults: user space sets them from its configuration before loading.
 */
#ifndef FSM_BPF_MAPS_H
#define FSM_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

#define FSM_MAP SEC(".maps") __weak

/* Which network namespaces are pods of a mesh, and what to do with their traffic. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, struct fsm_pod);
} fsm_pods FSM_MAP;

/* Leads from an address that the cluster has given to a pod of this node to the pod. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, struct fsm_address);
    __type(value, __u64);
} fsm_pod_ips FSM_MAP;

/* What a pod can call itself: connections to these stay inside it. */
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

/* What became of a connection's destination port under tc. Only a cache: sockets know it too, so an
 * entry that was evicted is made again. */
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

/* What fsm_lookup tells the program that it calls. The context is the proof: a run that was
 * interrupted by another one on its processor finds the other one's. */
struct fsm_caller {
    __u64 context;
    __u64 netns_cookie;
    __u32 call; /* enum fsm_lookup_call: own_netns.h says why it goes through memory */
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

/* An address and a port as sockets show them. */
struct fsm_endpoint {
    struct fsm_address address;
    __u16 port_be;
    __u16 pad;
};

/* What a socket is to us. */
enum fsm_place {
    FSM_PLACE_NONE = 0,
    FSM_PLACE_PLAIN_CLIENT, /* connected as it asked to */
    FSM_PLACE_PLAIN_SERVER, /* accepted by whom it was meant for */
    FSM_PLACE_OUTBOUND,     /* an application's, sent to the sidecar's outbound listener */
    FSM_PLACE_SELF_CALL,    /* the sidecar's, sent to its own inbound listener */
    FSM_PLACE_AT_OUTBOUND,  /* the sidecar's end of FSM_PLACE_OUTBOUND */
    FSM_PLACE_AT_SELF,      /* the sidecar's server end of FSM_PLACE_SELF_CALL */
    FSM_PLACE_AT_INBOUND,   /* accepted by the inbound listener from outside the pod */
};

/* The pair of initial sequence numbers. Both ends know it exactly, whatever NAT is between them,
 * and no tuple of addresses is needed, which would be unique only inside one netns. */
struct fsm_handshake_key {
    __u32 client_isn;
    __u32 server_isn;
};

/* Lives and dies with the socket. */
struct fsm_conn {
    struct fsm_endpoint original; /* what SO_ORIGINAL_DST says */
    __u8 place;                   /* enum fsm_place */
    __u8 bound_by_us;          /* the source address is our doing: undo it before a plain connect */
    struct fsm_endpoint shown; /* what the sockname hooks say instead of a loopback address */
    __u8 handshake_published;
    __u8 awaits_handshake; /* the server's end was established before the client's */
    __u8 in_socket_map;    /* and counted in its pod's share */
    __u8 by_tc;            /* the port that it was meant for is in fsm_flows */
    struct fsm_handshake_key handshake;
};

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct fsm_conn);
} fsm_conn FSM_MAP;

/* What a client's end tells its server's end, and, once claimed, the other way round. The client
 * removes it: when it has read the answer, or when it closes, whichever is first. So there are
 * never more entries than connections, and none is evicted before it is claimed. */
struct fsm_handshake {
    __u64 client_netns;
    __u64 client_cookie;
    __u64 client_sock; /* kernel address of the struct sock: only to read from, see message.bpf.c */
    __u64 server_cookie;
    __u64 server_sock; /* 0 until claimed */
    struct fsm_endpoint original;
    struct fsm_address shown; /* the client's source address, when it cannot be seen */
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

/* What the sender of an accelerated connection knows of its reader. */
struct fsm_pace {
    struct fsm_end_key peer; /* the reader's key in fsm_sockets */
    __u64 peer_sock;         /* 0: not known yet */
    __u64 peer_cookie;
    struct fsm_handshake_key handshake; /* where a client learns the two above */
};

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct fsm_pace);
} fsm_pace FSM_MAP;

#endif
