/* SPDX-License-Identifier: GPL-2.0-only */
/* tc on a pod's interfaces, inside its netns: the inbound mechanism for kernels and pods for which
 * sk_lookup cannot be used. Ingress rewrites the destination port to the sidecar's inbound port;
 * egress restores the source port. The flow holds a connection's original port and, once it is
 * established, so does the socket's own storage, from which an evicted flow is restored. FIN and
 * RST change nothing: a flow ends with its socket (sockops.bpf.c).
 *
 * fsm_ingress and fsm_egress are attached to the interfaces of one pod and know its netns cookie;
 * fsm_tc_in and fsm_tc_out, which they call, are shared by all pods. */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include "count.h"
#include "flows.h"
#include "headers.h"
#include "own_netns.h"
#include "policy.h"

#define IP_OFFSET_MASK 0x1fff
#define MAX_EXTENSION_HEADERS 6

/* A TCP segment; offsets in bytes from the start of the frame. */
struct segment {
    struct fsm_endpoint source;
    struct fsm_endpoint destination;
    __u32 tcp_offset;
    __u8 syn; /* SYN without ACK */
};

enum reading {
    /* Not TCP, or a later fragment: what happens to the first fragment decides about the packet. */
    READING_OTHER,
    READING_SEGMENT,
    /* It may be TCP, for all that can be seen: its header is cut by fragmentation, or behind more
     * headers or tags than are followed. Only an attempt to get past the sidecar looks so. */
    READING_HIDDEN,
};

static __always_inline enum reading read_ports(struct __sk_buff* skb, struct segment* segment) {
    struct tcphdr tcp;
    /* Up to and including the checksum, which is rewritten with the port. */
    if (bpf_skb_load_bytes(skb, segment->tcp_offset, &tcp, 18)) {
        return READING_HIDDEN;
    }
    segment->source.port_be = tcp.source;
    segment->destination.port_be = tcp.dest;
    segment->syn = tcp.syn && !tcp.ack;
    return READING_SEGMENT;
}

static __always_inline enum reading read_v4(struct __sk_buff* skb, struct segment* segment) {
    struct iphdr ip;
    if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.protocol != IPPROTO_TCP ||
        (bpf_ntohs(ip.frag_off) & IP_OFFSET_MASK)) {
        return READING_OTHER;
    }
    set_v4(&segment->source.address, ip.saddr);
    set_v4(&segment->destination.address, ip.daddr);
    segment->tcp_offset = ETH_HLEN + ip.ihl * 4;
    return read_ports(skb, segment);
}

static __always_inline enum reading read_v6(struct __sk_buff* skb, struct segment* segment) {
    struct ipv6hdr ip;
    if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip))) {
        return READING_OTHER;
    }
    __builtin_memcpy(segment->source.address.bytes, &ip.saddr, 16);
    __builtin_memcpy(segment->destination.address.bytes, &ip.daddr, 16);
    __u8 next = ip.nexthdr;
    __u32 offset = ETH_HLEN + sizeof(ip);
    for (int i = 0; i < MAX_EXTENSION_HEADERS && is_extension(next); i++) {
        __u8 header[8];
        if (bpf_skb_load_bytes(skb, offset, header, sizeof(header))) {
            return READING_HIDDEN;
        }
        const __u32 length = extension_length(next, header);
        if (!length) {
            return READING_OTHER;
        }
        next = header[0];
        offset += length;
    }
    segment->tcp_offset = offset;
    if (next == IPPROTO_TCP) {
        return read_ports(skb, segment);
    }
    return is_extension(next) ? READING_HIDDEN : READING_OTHER;
}

static __always_inline enum reading read_segment(struct __sk_buff* skb, struct segment* segment) {
    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        return read_v4(skb, segment);
    }
    if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
        return read_v6(skb, segment);
    }
    return hidden_by_tags(skb) ? READING_HIDDEN : READING_OTHER;
}

/* Returns the verdict on the packet. If the packet is shared and the kernel has no memory to copy
 * it, it cannot be written; with the old port it would reach the wrong socket. So it is dropped,
 * and TCP retransmits it. */
static __always_inline int replace_port(struct __sk_buff* skb, const struct segment* segment,
                                        __u32 field, __u16 from_be, __u16 to_be) {
    const __u32 checksum = segment->tcp_offset + __builtin_offsetof(struct tcphdr, check);
    if (from_be == to_be) {
        return TC_ACT_UNSPEC;
    }
    if (bpf_l4_csum_replace(skb, checksum, from_be, to_be, sizeof(to_be)) ||
        bpf_skb_store_bytes(skb, segment->tcp_offset + field, &to_be, sizeof(to_be), 0)) {
        return TC_ACT_SHOT;
    }
    return TC_ACT_UNSPEC;
}

/* The socket that the segment would reach on that port of the pod: an established one or a
 * listener. The caller releases it. */
static __always_inline struct bpf_sock* pod_socket(struct __sk_buff* skb,
                                                   const struct segment* segment, __u16 port_be) {
    struct bpf_sock_tuple tuple = {};
    __u32 size = sizeof(tuple.ipv4);
    if (is_v4(&segment->destination.address)) {
        tuple.ipv4.saddr = v4_of(&segment->source.address);
        tuple.ipv4.daddr = v4_of(&segment->destination.address);
        tuple.ipv4.sport = segment->source.port_be;
        tuple.ipv4.dport = port_be;
    } else {
        __builtin_memcpy(tuple.ipv6.saddr, segment->source.address.bytes, 16);
        __builtin_memcpy(tuple.ipv6.daddr, segment->destination.address.bytes, 16);
        tuple.ipv6.sport = segment->source.port_be;
        tuple.ipv6.dport = port_be;
        size = sizeof(tuple.ipv6);
    }
    return bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
}

static __always_inline int is_connection(__u32 state) {
    return state != BPF_TCP_LISTEN && state != BPF_TCP_TIME_WAIT && state != BPF_TCP_CLOSE;
}

/* Whether a connection with this unmodified tuple already exists: the SYN is the retransmission of
 * one that came before the pod was enrolled, or before its policy included the port. */
static __always_inline int begun_without_us(struct __sk_buff* skb, const struct segment* segment) {
    struct bpf_sock* sk = pod_socket(skb, segment, segment->destination.port_be);
    if (!sk) {
        return 0;
    }
    const int begun = is_connection(sk->state);
    bpf_sk_release(sk);
    return begun;
}

/* Whether a live connection to another port of the pod has the tuple that the SYN would be
 * rewritten to. */
static __always_inline int tuple_taken(struct __sk_buff* skb, const struct segment* segment,
                                       const struct fsm_flow* flow, __u16 inbound_be) {
    if (flow && flow->original_port_be == segment->destination.port_be) {
        return 0;
    }
    struct bpf_sock* sk = pod_socket(skb, segment, inbound_be);
    if (!sk) {
        return 0;
    }
    int taken = flow && is_connection(sk->state);
    struct bpf_sock* full = bpf_sk_fullsock(sk);
    if (!flow && full) {
        struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, full, 0, 0);
        taken = conn && conn->place == FSM_PLACE_AT_INBOUND &&
                conn->original.port_be != segment->destination.port_be;
    }
    bpf_sk_release(sk);
    return taken;
}

/* The flow key of an incoming segment. */
static __always_inline void tuple_of(const struct segment* segment, __u16 inbound_be,
                                     struct fsm_flow_tuple* tuple) {
    tuple->pod = segment->destination.address;
    tuple->remote = segment->source.address;
    tuple->remote_port_be = segment->source.port_be;
    tuple->inbound_port_be = inbound_be;
}

/* Stores the flow as idle: while no socket owns it, the sweep removes it after FSM_FLOW_LINGER_NS.
 */
static __always_inline int store_flow_now(__u64 netns_cookie, const struct fsm_flow_tuple* tuple,
                                          __u16 original_be) {
    const struct fsm_flow flow = {
        .tuple = *tuple,
        .original_port_be = original_be,
        .idle_since_ns = bpf_ktime_get_ns(),
    };
    if (!store_flow(netns_cookie, &flow)) {
        count(FSM_COUNTER_FLOW_LOST);
        return 0;
    }
    return 1;
}

/* A new connection. */
static __always_inline int ingress_syn(struct __sk_buff* skb, const struct segment* segment,
                                       __u64 netns_cookie, const struct fsm_flow_tuple* tuple) {
    const __u16 original_be = segment->destination.port_be;
    const __u16 inbound_be = tuple->inbound_port_be;
    struct fsm_flow* flow = find_flow(netns_cookie, tuple);
    if (!flow && begun_without_us(skb, segment)) {
        return TC_ACT_UNSPEC;
    }
    if (tuple_taken(skb, segment, flow, inbound_be)) {
        /* The client uses one source port for two of the pod's ports. After the rewrite both
         * connections would have the same tuple: drop SYNs of the second until the first is closed.
         */
        count(FSM_COUNTER_INBOUND_TUPLE_TAKEN);
        return TC_ACT_SHOT;
    }
    if (!store_flow_now(netns_cookie, tuple, original_be)) {
        return TC_ACT_SHOT;
    }
    count(FSM_COUNTER_INBOUND_REWRITTEN);
    trace("tc: port %u goes to port %u", bpf_ntohs(original_be), bpf_ntohs(inbound_be));
    return replace_port(skb, segment, __builtin_offsetof(struct tcphdr, dest), original_be,
                        inbound_be);
}

/* Restores an evicted flow from its socket, which knows the original port. Returns 0 if there is no
 * such socket. */
static __always_inline int recover_flow(struct __sk_buff* skb, const struct segment* segment,
                                        __u64 netns_cookie, const struct fsm_flow_tuple* tuple) {
    struct bpf_sock* sk = pod_socket(skb, segment, tuple->inbound_port_be);
    if (!sk) {
        return 0;
    }
    int found = 0;
    struct bpf_sock* full = bpf_sk_fullsock(sk);
    if (full) {
        struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, full, 0, 0);
        found = conn && conn->place == FSM_PLACE_AT_INBOUND &&
                conn->original.port_be == segment->destination.port_be;
    }
    bpf_sk_release(sk);
    if (found) {
        /* Stored as idle: the socket may be closing on another processor at this moment, and
         * reports its close only once. The flow of a live socket is restored again after a sweep.
         */
        store_flow_now(netns_cookie, tuple, segment->destination.port_be);
        count(FSM_COUNTER_FLOW_RECOVERED);
    }
    return found;
}

static __always_inline int ingress_later(struct __sk_buff* skb, const struct segment* segment,
                                         __u64 netns_cookie, const struct fsm_flow_tuple* tuple) {
    struct fsm_flow* flow = find_flow(netns_cookie, tuple);
    const int known = flow && flow->original_port_be == segment->destination.port_be;
    if (!known && (flow || !recover_flow(skb, segment, netns_cookie, tuple))) {
        return TC_ACT_UNSPEC;
    }
    return replace_port(skb, segment, __builtin_offsetof(struct tcphdr, dest),
                        segment->destination.port_be, tuple->inbound_port_be);
}

/* The netns cookie of the pod whose program made the tail call. */
static __always_inline __u64 caller_netns(const struct __sk_buff* skb) {
    return (__u64)skb->cb[1] << 32 | skb->cb[0];
}

/* Passes the cookie to the called program. Returns the index of the call, read from memory
 * (own_netns.h has the reason). */
static __always_inline __u32 name_caller(struct __sk_buff* skb, enum fsm_tc_call call) {
    const __u64 cookie = own_netns();
    skb->cb[0] = (__u32)cookie;
    skb->cb[1] = (__u32)(cookie >> 32);
    ctx_write(skb->cb[2], (__u32)call);
    return ctx_read(skb->cb[2]);
}

/* Whether the pod forwards the packet, to containers within it: with a rewritten port, it would
 * reach the wrong service there. */
static __always_inline int is_forwarded(struct __sk_buff* skb, const struct segment* segment) {
    struct bpf_fib_lookup route = {.l4_protocol = IPPROTO_TCP, .ifindex = skb->ingress_ifindex};
    if (is_v4(&segment->destination.address)) {
        route.family = AF_INET;
        route.ipv4_src = v4_of(&segment->source.address);
        route.ipv4_dst = v4_of(&segment->destination.address);
    } else {
        route.family = AF_INET6;
        __builtin_memcpy(route.ipv6_src, segment->source.address.bytes, 16);
        __builtin_memcpy(route.ipv6_dst, segment->destination.address.bytes, 16);
    }
    const long result = bpf_fib_lookup(skb, &route, sizeof(route), 0);
    return result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_NO_NEIGH ||
           result == BPF_FIB_LKUP_RET_FRAG_NEEDED;
}

/* Shared by all pods; called by a pod's own program. After a change to sk_lookup the pod keeps its
 * filters for its open connections: their packets are translated as before, and SYNs are not
 * changed. */
SEC("tc")
int fsm_tc_in(struct __sk_buff* skb) {
    struct segment segment = {};
    const enum reading reading = read_segment(skb, &segment);
    if (reading == READING_OTHER) {
        return TC_ACT_UNSPEC;
    }
    const __u64 netns_cookie = caller_netns(skb);
    struct fsm_pod* pod = bpf_map_lookup_elem(&fsm_pods, &netns_cookie);
    if (!pod) {
        return TC_ACT_UNSPEC;
    }
    const int takes_new = (pod->flags & FSM_POD_INBOUND_TC) != 0;
    if (reading == READING_HIDDEN) {
        if (!takes_new) {
            return TC_ACT_UNSPEC;
        }
        count(FSM_COUNTER_INBOUND_HIDDEN);
        return TC_ACT_SHOT;
    }
    struct fsm_flow_tuple tuple;
    tuple_of(&segment, bpf_htons(inbound_port(pod, &segment.destination.address)), &tuple);
    if (!segment.syn) {
        return ingress_later(skb, &segment, netns_cookie, &tuple);
    }
    if (!takes_new ||
        !inbound_wanted(pod, netns_cookie, &segment.destination.address,
                        bpf_ntohs(segment.destination.port_be), &segment.source.address) ||
        is_forwarded(skb, &segment)) {
        return TC_ACT_UNSPEC;
    }
    return ingress_syn(skb, &segment, netns_cookie, &tuple);
}

SEC("tc")
int fsm_ingress(struct __sk_buff* skb) {
    bpf_tail_call(skb, &fsm_tc_calls, name_caller(skb, FSM_CALL_INGRESS));
    /* Reached only when the array is empty. */
    return TC_ACT_SHOT;
}

/* Returns the port that the client knows, which may be 0, or -1 if the segment is not of an
 * intercepted connection. */
static __always_inline int original_port(struct __sk_buff* skb, const struct segment* segment,
                                         __u64 netns_cookie) {
    struct bpf_sock* sk = skb->sk;
    if (sk) {
        sk = bpf_sk_fullsock(sk);
    }
    if (sk) {
        struct fsm_conn* conn = bpf_sk_storage_get(&fsm_conn, sk, 0, 0);
        if (conn && conn->place == FSM_PLACE_AT_INBOUND) {
            return conn->original.port_be;
        }
    }
    /* SYN-ACK, TIME_WAIT and RST segments have no full socket. */
    const struct fsm_flow_tuple tuple = {
        .pod = segment->source.address,
        .remote = segment->destination.address,
        .remote_port_be = segment->destination.port_be,
        .inbound_port_be = segment->source.port_be,
    };
    struct fsm_flow* flow = find_flow(netns_cookie, &tuple);
    return flow ? flow->original_port_be : -1;
}

/* Shared by all pods; called by a pod's own program. */
SEC("tc")
int fsm_tc_out(struct __sk_buff* skb) {
    struct segment segment = {};
    if (read_segment(skb, &segment) != READING_SEGMENT) {
        return TC_ACT_UNSPEC;
    }
    const __u64 netns_cookie = caller_netns(skb);
    struct fsm_pod* pod = bpf_map_lookup_elem(&fsm_pods, &netns_cookie);
    if (!pod || segment.source.port_be != bpf_htons(inbound_port(pod, &segment.source.address))) {
        return TC_ACT_UNSPEC;
    }
    const int original_be = original_port(skb, &segment, netns_cookie);
    if (original_be < 0) {
        return TC_ACT_UNSPEC;
    }
    return replace_port(skb, &segment, __builtin_offsetof(struct tcphdr, source),
                        segment.source.port_be, (__u16)original_be);
}

SEC("tc")
int fsm_egress(struct __sk_buff* skb) {
    bpf_tail_call(skb, &fsm_tc_calls, name_caller(skb, FSM_CALL_EGRESS));
    /* Reached only when the array is empty. */
    return TC_ACT_SHOT;
}

char fsm_license[] SEC("license") __weak = "GPL";
