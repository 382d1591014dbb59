/* SPDX-License-Identifier: GPL-2.0-only */
/* Policy: whether a connection is intercepted, by the pod's lists, in the order of the meshes' own
 * iptables rules. */
#ifndef FSM_BPF_POLICY_H
#define FSM_BPF_POLICY_H

#include "address.h"
#include "kernel.h"
#include "maps.h"

static __always_inline int port_listed(const struct fsm_pod* pod, __u16 list, __u16 port) {
    struct fsm_port_key key = {.prefixlen = FSM_PORT_FIXED_BITS + 16,
                               .pod_id = pod->pod_id,
                               .list = list,
                               .port_be = bpf_htons(port)};
    return bpf_map_lookup_elem(&fsm_ports, &key) != 0;
}

static __always_inline int range_listed(const struct fsm_pod* pod, __u32 list,
                                        const struct fsm_address* address) {
    struct fsm_range_key key = {.prefixlen = FSM_RANGE_FIXED_BITS + 128,
                                .pod_id = pod->pod_id,
                                .list = is_v4(address) ? list : list | FSM_RANGE_IPV6};
    __builtin_memcpy(key.address, address->bytes, sizeof(key.address));
    return bpf_map_lookup_elem(&fsm_ranges, &key) != 0;
}

/* Exclusion has priority; a missing inclusion list includes everything. */
static __always_inline int outbound_listed(const struct fsm_pod* pod,
                                           const struct fsm_address* destination, __u16 port) {
    if ((pod->flags & FSM_POD_OUT_EXCLUDE_PORTS) && port_listed(pod, FSM_OUT_EXCLUDE, port)) {
        return 0;
    }
    if ((pod->flags & FSM_POD_OUT_EXCLUDE_RANGES) &&
        range_listed(pod, FSM_OUT_EXCLUDE, destination)) {
        return 0;
    }
    const int by_port =
        !(pod->flags & FSM_POD_OUT_INCLUDE_PORTS) || port_listed(pod, FSM_OUT_INCLUDE, port);
    const int by_range = !(pod->flags & FSM_POD_OUT_INCLUDE_RANGES) ||
                         range_listed(pod, FSM_OUT_INCLUDE, destination);
    if ((pod->flags & FSM_POD_OUT_INCLUDE_ANY) && (pod->flags & FSM_POD_OUT_INCLUDE_PORTS) &&
        (pod->flags & FSM_POD_OUT_INCLUDE_RANGES)) {
        return by_port || by_range;
    }
    return by_port && by_range;
}

static __always_inline int inbound_listed(const struct fsm_pod* pod,
                                          const struct fsm_address* source, __u16 port) {
    if ((pod->flags & FSM_POD_IN_EXCLUDE_PORTS) && port_listed(pod, FSM_IN_EXCLUDE, port)) {
        return 0;
    }
    if ((pod->flags & FSM_POD_IN_EXCLUDE_RANGES) && range_listed(pod, FSM_IN_EXCLUDE, source)) {
        return 0;
    }
    return (!(pod->flags & FSM_POD_IN_INCLUDE_PORTS) || port_listed(pod, FSM_IN_INCLUDE, port)) &&
           (!(pod->flags & FSM_POD_IN_INCLUDE_RANGES) || range_listed(pod, FSM_IN_INCLUDE, source));
}

/* enum fsm_seen bits of the pod's listeners: those found at enrolment and those observed since. */
static __always_inline __u32 listeners_of(const struct fsm_pod* pod, __u64 netns_cookie) {
    const struct fsm_observed* observed = bpf_map_lookup_elem(&fsm_observed, &netns_cookie);
    if (!observed) {
        return pod->listeners;
    }
    const __u32 before =
        observed->seen & FSM_SEEN_OUT4 ? pod->listeners & ~FSM_SEEN_OUT4 : pod->listeners;
    return before | observed->seen;
}

/* Whether this family is intercepted in a direction; `seen` is the direction's FSM_SEEN bit. */
static __always_inline int family_intercepted(const struct fsm_pod* pod, __u64 netns_cookie,
                                              const struct fsm_address* address, __u32 seen) {
    if (is_v4(address) || pod->ipv6 == FSM_IPV6_ALWAYS) {
        return 1;
    }
    if (pod->ipv6 == FSM_IPV6_NEVER) {
        return 0;
    }
    return (listeners_of(pod, netns_cookie) & seen) != 0;
}

/* Whether a connection that arrives from outside belongs to the inbound listener. Its addresses do
 * not exempt it: a source can be spoofed, and where route_localnet is set (namespaces inherit it
 * from a node with kube-proxy) a neighbour can reach 127.0.0.1. */
static __always_inline int inbound_wanted(const struct fsm_pod* pod, __u64 netns_cookie,
                                          const struct fsm_address* local, __u16 local_port,
                                          const struct fsm_address* remote) {
    return (pod->flags & FSM_POD_INBOUND) &&
           family_intercepted(pod, netns_cookie, local, FSM_SEEN_IN6) &&
           inbound_listed(pod, remote, local_port);
}

/* As inbound_wanted, where only the addresses tell whether the connection comes from outside. If
 * the source equals the destination, or either is a loopback address, the pod talks to itself: the
 * connect hook has already decided about that connection. */
static __always_inline int inbound_intercepted(const struct fsm_pod* pod, __u64 netns_cookie,
                                               const struct fsm_address* local, __u16 local_port,
                                               const struct fsm_address* remote) {
    return !equal(local, remote) && !is_loopback(local) && !is_loopback(remote) &&
           inbound_wanted(pod, netns_cookie, local, local_port, remote);
}

/* Whether a process with the sidecar's uid created the socket. fchown() changes sk_uid with
 * CAP_CHOWN alone, without the right to become that user, so sk_uid is only a fast rejection; the
 * file's credentials decide. A socket without a file was created by the kernel, on behalf of a user
 * (an MPTCP subflow) or of none (uid 0). */
static __always_inline int made_by_sidecars_user(const struct fsm_pod* pod, struct sock* sk) {
    if (sk->sk_uid.val != pod->sidecar_uid) {
        return 0;
    }
    const struct file* file = BPF_CORE_READ(sk, sk_socket, file);
    return !file || BPF_CORE_READ(file, f_cred, fsuid.val) == pod->sidecar_uid;
}

/* Whether the sidecar owns the socket, by the uid or gid of its creator, as iptables' owner match
 * decides. */
static __always_inline int owned_by_sidecar(const struct fsm_pod* pod, struct tcp_sock* tcp) {
    struct sock* sk = sock_of(tcp);
    if (made_by_sidecars_user(pod, sk)) {
        return 1;
    }
    if (!(pod->flags & FSM_POD_HAS_GID)) {
        return 0;
    }
    return BPF_CORE_READ(sk, sk_socket, file, f_cred, fsgid.val) == pod->sidecar_gid;
}

static __always_inline int address_of_pod(__u64 netns_cookie, const struct fsm_address* address) {
    const struct fsm_own_address key = {.netns_cookie = netns_cookie, .address = *address};
    return bpf_map_lookup_elem(&fsm_addresses, &key) != 0;
}

static __always_inline __u16 outbound_port(const struct fsm_pod* pod,
                                           const struct fsm_address* like) {
    return is_v4(like) ? pod->outbound_port4 : pod->outbound_port6;
}

static __always_inline __u16 inbound_port(const struct fsm_pod* pod,
                                          const struct fsm_address* like) {
    return is_v4(like) ? pod->inbound_port4 : pod->inbound_port6;
}

#endif
