/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The contract between the BPF programs and user space.
 *
 * Included by bpf/ (C, clang -target bpf) and by interceptor/datapath (C++). Fixed-width types,
 * explicit padding, no functions. Keys are hashed byte by byte, padding included: zero a key before
 * filling it.
 *
 * Byte order: ports are in host order unless the name ends in _be; addresses are in network order.
 * Both families share one address form, 16 bytes; IPv4 is ::ffff:a.b.c.d.
 *
 * FSM_ABI_LAYOUT must rise whenever a struct here, or the meaning of one of its fields, changes: an
 * interceptor adopts pinned maps only if they have its own layout. */
#ifndef FSM_BPF_ABI_H
#define FSM_BPF_ABI_H

#include <linux/types.h>

#define FSM_ABI_LAYOUT 4

/* ---- pods: HASH, netns cookie (__u64) -> struct fsm_pod; written by user space only ------------
 */

enum fsm_pod_flag {
    /* The direction is intercepted. */
    FSM_POD_OUTBOUND = 1 << 0,
    FSM_POD_INBOUND = 1 << 1,
    /* The pod has entries of this kind; without the flag the program skips the lookup. An inclusion
     * flag without any entry means that nothing is included. */
    FSM_POD_OUT_EXCLUDE_PORTS = 1 << 2,
    FSM_POD_OUT_INCLUDE_PORTS = 1 << 3,
    FSM_POD_OUT_EXCLUDE_RANGES = 1 << 4,
    FSM_POD_OUT_INCLUDE_RANGES = 1 << 5,
    FSM_POD_IN_EXCLUDE_PORTS = 1 << 6,
    FSM_POD_IN_INCLUDE_PORTS = 1 << 7,
    FSM_POD_IN_EXCLUDE_RANGES = 1 << 8,
    FSM_POD_IN_INCLUDE_RANGES = 1 << 9,
    /* Outbound: matching either inclusion list is enough. */
    FSM_POD_OUT_INCLUDE_ANY = 1 << 10,
    /* sidecar_gid is valid. */
    FSM_POD_HAS_GID = 1 << 11,
    /* own_source4/own_source6 exempt the sidecar's calls to any address of the pod, not only to
     * 127.0.0.1 and ::1. */
    FSM_POD_OWN_SOURCE_REACHES_POD = 1 << 12,
    /* The inbound mechanism is tc, by the programs on this pod's interfaces; without the flag,
     * sk_lookup. */
    FSM_POD_INBOUND_TC = 1 << 13,
};

enum fsm_scope {
    FSM_SCOPE_OFF = 0,
    FSM_SCOPE_SIDECAR = 1,
    FSM_SCOPE_FULL = 2,
};

enum fsm_ipv6_mode {
    FSM_IPV6_NEVER = 0,
    FSM_IPV6_WHEN_LISTENING = 1,
    FSM_IPV6_ALWAYS = 2,
};

struct fsm_pod {
    __u32 pod_id; /* names the pod in the policy maps; not reused while its entries exist */
    __u32 flags;  /* enum fsm_pod_flag */
    __u32 sidecar_uid;
    __u32 sidecar_gid;
    __u16 outbound_port4;
    __u16 inbound_port4;
    __u16 outbound_port6;
    __u16 inbound_port6;
    __u16 self_call_exempt_port; /* 0: none */
    __u8 scope;                  /* enum fsm_scope, already decided: never "auto" */
    __u8 ipv6;                   /* enum fsm_ipv6_mode */
    __u32 address4_be;           /* the pod's own address; 0: no IPv4 */
    __u32 address6_be[4];        /* zero: no IPv6 */
    __u32 own_source4_be;        /* 127.0.0.6; 0: none */
    __u32 own_source6_be[4];
    __u32 listeners; /* enum fsm_seen: what user space found when it enrolled the pod */
};

/* ---- own addresses: HASH, struct fsm_own_address -> __u8 that is always 1 ----------------------
 */

struct fsm_address {
    union {
        __u8 bytes[16];
        __u32 words[4]; /* each in network order */
    };
};

/* Every address on the pod's interfaces, including IPv6 link-local ones. They count in the pod's
 * own network namespace only, because two pods may have the same address. */
struct fsm_own_address {
    __u64 netns_cookie;
    struct fsm_address address;
};

/* ---- pod_ips: HASH, struct fsm_address -> netns cookie (__u64) ---------------------------------
 *
 * The addresses that the cluster has assigned to enrolled pods of this node (from the CNI result or
 * the pod's status, never from the pod itself). A sender looks up its peer here to find out whether
 * it is a pod of this node and may be accelerated; interception does not depend on this map. */

/* ---- observed: HASH, netns cookie -> struct fsm_observed; written by the programs only ---------
 */

enum fsm_seen {
    FSM_SEEN_OUT4_WILDCARD = 1 << 0, /* the outbound listener accepts every 127.x */
    FSM_SEEN_OUT4_LOOPBACK = 1 << 1, /* it is bound to 127.0.0.1 */
    FSM_SEEN_OUT6 = 1 << 2,
    FSM_SEEN_IN4 = 1 << 3,
    FSM_SEEN_IN6 = 1 << 4,
    /* The outbound listener accepts only 127.0.0.1 and cannot be assigned by sk_lookup (MPTCP). */
    FSM_SEEN_OUT4_FIXED = 1 << 5,
};
#define FSM_SEEN_OUT4 (FSM_SEEN_OUT4_WILDCARD | FSM_SEEN_OUT4_LOOPBACK | FSM_SEEN_OUT4_FIXED)

/* What the programs have observed of the sidecar's listeners since the pod was enrolled;
 * fsm_pod.listeners has those that existed before. At most one OUT4 bit is set, by the newest
 * listener. The other bits stay set when the listener is gone: connections to an IPv6 sidecar that
 * is down must be refused, not passed. */
struct fsm_observed {
    __u32 seen;    /* enum fsm_seen */
    __u32 refused; /* inbound listeners that could not enter fsm_listeners since enrolment */
};

/* ---- usage: HASH, netns cookie -> struct fsm_usage ----------------------------------------------
 */

/* How much of the shared maps a pod holds. The programs count; user space creates the entry and
 * does not write it afterwards. A counter can be negative: what was taken before the entry existed
 * is also given back. */
struct fsm_usage {
    __s32 handshakes;
    __s32 sockets;
};

/* ---- policy: ports LPM_TRIE, ranges LPM_TRIE; the value is a __u8 that is always 1 --------------
 */

enum fsm_list {
    FSM_OUT_EXCLUDE = 0,
    FSM_OUT_INCLUDE = 1,
    FSM_IN_EXCLUDE = 2,
    FSM_IN_INCLUDE = 3,
};

/* A port range takes one entry per prefix (30 at most), not one per port. Pod id and list are
 * always matched in full: prefixlen is 48 + the prefix of the port. */
#define FSM_PORT_FIXED_BITS 48
struct fsm_port_key {
    __u32 prefixlen;
    __u32 pod_id;
    __u16 list;    /* enum fsm_list */
    __u16 port_be; /* big-endian, because the trie compares prefixes */
};

/* Pod id and list are always matched in full: prefixlen is 64 + the prefix of the mapped address.
 * Each family has its own lists: otherwise ::/0 would include every IPv4 address. */
#define FSM_RANGE_FIXED_BITS 64
#define FSM_RANGE_IPV6 (1 << 8)
struct fsm_range_key {
    __u32 prefixlen;
    __u32 pod_id;
    __u32 list; /* enum fsm_list, with FSM_RANGE_IPV6 for a range of IPv6 */
    __u8 address[16];
};

/* ---- listeners: SOCKHASH, struct fsm_listener_key -> the sidecar's listening socket ------------
 */

/* Several sockets may listen on one port (SO_REUSEPORT workers, a reload). Each has its own slot,
 * so that the map holds a live listener as long as one exists. */
#define FSM_LISTENER_SLOTS 64

enum fsm_listener_bind {
    FSM_BIND_POD = 0,      /* wildcard, or an address of the pod */
    FSM_BIND_LOOPBACK = 1, /* reachable by loopback addresses only */
};

struct fsm_listener_key {
    __u64 netns_cookie;
    __u16 port;
    __u8 family; /* AF_INET; AF_INET6 for an IPv6-only listener; a dual-stack one is entered as both
                  */
    __u8 bind;   /* enum fsm_listener_bind */
    __u16 slot;  /* 0 to FSM_LISTENER_SLOTS - 1 */
    __u16 pad;
};

/* ---- sockets: SOCKHASH, struct fsm_end_key -> one end of an accelerated connection -------------
 */

enum fsm_role {
    FSM_ROLE_NONE = 0,
    FSM_ROLE_CLIENT = 1,
    FSM_ROLE_SERVER = 2,
};

struct fsm_end_key {
    __u64 client_cookie; /* socket cookie of the connection's client end */
    __u32 role;          /* enum fsm_role: which end this entry is */
    __u32 pad;
};

/* ---- flows: LRU_HASH, struct fsm_flow_key -> struct fsm_flow; tc only --------------------------
 */

/* A flow is stored in one of the FSM_FLOW_WAYS slots of the set that its tuple hashes to. Each pod
 * has its own slots: a SYN flood evicts only flows of the same pod. */
#define FSM_FLOW_WAYS 4
struct fsm_flow_key {
    __u64 netns_cookie;
    __u32 slot;
    __u32 pad;
};

struct fsm_flow_tuple {
    struct fsm_address pod;
    struct fsm_address remote;
    __u16 remote_port_be;
    __u16 inbound_port_be; /* what the destination port was rewritten to */
};

struct fsm_flow {
    struct fsm_flow_tuple tuple;
    __u16 original_port_be;
    __u16 pad;
    /* CLOCK_MONOTONIC nanoseconds of the SYN, or of the socket's close; 0 while the socket lives.
     * An entry that is idle for FSM_FLOW_LINGER_NS is swept: by then no packet of the connection
     * can be in flight (TIME_WAIT is 60 s), and the SYN is no longer answered. */
    __u64 idle_since_ns;
};

#define FSM_FLOW_LINGER_NS 65000000000ULL

/* ---- per-pod programs ---------------------------------------------------------------------------
 *
 * sk_lookup and tc programs have no helper that returns their netns cookie, and addresses are no
 * proof of it. So each pod has its own programs (fsm_lookup, fsm_ingress, fsm_egress): a few
 * instructions with the pod's netns cookie as a constant, which user space patches in for
 * FSM_OWN_NETNS. They tail-call the shared programs through these program arrays, which user space
 * fills. */
#define FSM_OWN_NETNS 0x46534d4f574e4554

enum fsm_lookup_call {
    FSM_CALL_LOOKUP = 0,
    FSM_LOOKUP_CALLS,
};

enum fsm_tc_call {
    FSM_CALL_INGRESS = 0,
    FSM_CALL_EGRESS = 1,
    FSM_TC_CALLS,
};

/* ---- settings: ARRAY of one, pinned; the first field of every layout is the layout --------------
 */

struct fsm_settings {
    __u32 layout; /* FSM_ABI_LAYOUT */
    /* The writer uses TCP while the reader of an accelerated connection has this many bytes unread.
     */
    __u32 unread_limit;
    /* Messages of fewer bytes go by TCP while the reader has unread data. */
    __u32 coalesce_below;
};

/* ---- containers: HASH, struct fsm_container_key -> __u32; written by user space only
 * -------------
 */

/* The cgroups of a pod's containers that are not its sidecar: a process in one of them is not the
 * sidecar, whatever its uid. A container that is not known (yet) has no entry. */
struct fsm_container_key {
    __u64 netns_cookie;
    /* The cgroup's id; the value is 1. Or FSM_LEVEL_OF_CONTAINERS: the value is the level of all
     * container cgroups, counted from the root of the hierarchy (0). A pod without known containers
     * has no entries. */
    __u64 cgroup_id;
};

#define FSM_LEVEL_OF_CONTAINERS 0ULL

/* ---- counters: PERCPU_ARRAY of __u64, indexed by enum fsm_counter -------------------------------
 */

#define FSM_COUNTERS(X)                                                                          \
    X(CONNECT_OUTBOUND, "connect_outbound", "Connects sent to the outbound listener")            \
    X(CONNECT_SELF, "connect_self", "Sidecar calls to its own pod sent to the inbound listener") \
    X(CONNECT_REFUSED, "connect_refused", "Connects refused: original destination not stored")   \
    X(INBOUND_STEERED, "inbound_steered", "Inbound connections steered by sk_lookup")            \
    X(INBOUND_NO_LISTENER, "inbound_no_listener", "Inbound connections without a listener")      \
    X(INBOUND_REWRITTEN, "inbound_rewritten", "Inbound connections rewritten by tc")             \
    X(INBOUND_TUPLE_TAKEN, "inbound_tuple_taken", "SYNs dropped by tc: the tuple is in use")     \
    X(INBOUND_HIDDEN, "inbound_hidden", "Packets dropped by tc: their TCP header is cut")        \
    X(FLOW_RECOVERED, "flow_recovered", "tc flow entries made again from their socket")          \
    X(FLOW_LOST, "flow_lost", "Packets whose tc flow could not be stored")                       \
    X(HANDSHAKE_PUBLISHED, "handshake_published", "Handshakes published by a client's end")      \
    X(HANDSHAKE_PAIRED, "handshake_paired", "Handshakes claimed by the server's end")            \
    X(HANDSHAKE_FULL, "handshake_full", "Handshakes that could not be published: map full")      \
    X(HANDSHAKE_OVER_SHARE, "handshake_over_share", "Connects refused: the pod has its share")   \
    X(SOCKET_ACCELERATED, "socket_accelerated", "Sockets that entered the socket map")           \
    X(SOCKET_NOT_ENTERED, "socket_not_entered", "Sockets that the socket map did not take")      \
    X(SOCKET_OVER_SHARE, "socket_over_share", "Sockets not accelerated: the pod has its share")  \
    X(MESSAGE_REDIRECTED, "message_redirected", "Messages moved into the peer's queue")          \
    X(MESSAGE_BYTES, "message_redirected_bytes", "Bytes of those messages")                      \
    X(MESSAGE_NO_PEER, "message_no_peer", "Messages by TCP: no peer on this node")               \
    X(MESSAGE_BEHIND_TCP, "message_behind_tcp", "Messages by TCP: earlier TCP data unread")      \
    X(MESSAGE_COALESCED, "message_coalesced", "Messages by TCP: small, and the reader is busy")  \
    X(MESSAGE_OVER_LIMIT, "message_over_limit", "Messages by TCP: reader over the unread limit") \
    X(ORIGINAL_DST, "original_dst_answered", "SO_ORIGINAL_DST answered")                         \
    X(LISTENER_SEEN, "listener_seen", "Sidecar listeners entered")                               \
    X(LISTENER_MPTCP, "listener_mptcp", "Sidecar listeners by MPTCP: sk_lookup cannot use them") \
    X(LISTENER_NOT_ENTERED, "listener_not_entered", "Sidecar listeners that found no slot")

enum fsm_counter {
#define FSM_COUNTER_ENUM(id, name, help) FSM_COUNTER_##id,
    FSM_COUNTERS(FSM_COUNTER_ENUM)
#undef FSM_COUNTER_ENUM
        FSM_COUNTER_COUNT
};

#ifdef __cplusplus
#define FSM_ABI_ASSERT static_assert
#else
#define FSM_ABI_ASSERT _Static_assert
#endif

FSM_ABI_ASSERT(sizeof(struct fsm_pod) == 72, "fsm_pod has no hidden padding");
FSM_ABI_ASSERT(sizeof(struct fsm_own_address) == 24, "fsm_own_address has no hidden padding");
FSM_ABI_ASSERT(sizeof(struct fsm_port_key) == 12, "fsm_port_key has no hidden padding");
FSM_ABI_ASSERT(sizeof(struct fsm_range_key) == 28, "fsm_range_key has no hidden padding");
FSM_ABI_ASSERT(sizeof(struct fsm_listener_key) == 16, "fsm_listener_key has no hidden padding");
FSM_ABI_ASSERT(sizeof(struct fsm_end_key) == 16, "fsm_end_key has no hidden padding");
FSM_ABI_ASSERT(sizeof(struct fsm_flow_key) == 16, "fsm_flow_key has no hidden padding");
FSM_ABI_ASSERT(sizeof(struct fsm_flow_tuple) == 36, "fsm_flow_tuple has no hidden padding");
FSM_ABI_ASSERT(sizeof(struct fsm_flow) == 48, "fsm_flow has no hidden padding");
FSM_ABI_ASSERT(sizeof(struct fsm_settings) == 12, "fsm_settings has no hidden padding");
FSM_ABI_ASSERT(sizeof(struct fsm_container_key) == 16, "fsm_container_key has no hidden padding");

#endif
