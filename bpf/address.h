/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses in the one form that the maps use. */
#ifndef FSM_BPF_ADDRESS_H
#define FSM_BPF_ADDRESS_H

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

/* Reads one field of a context or of a struct bpf_sock, and only that one: the compiler otherwise
 * merges the loads of two branches into one with a computed offset, which the verifier refuses
 * ("dereference of modified ctx ptr", "pointer arithmetic on sock"). */
#define ctx_read(field)                                               \
    ({                                                                \
        typeof(field) ctx_value = *(volatile typeof(field)*)&(field); \
        asm volatile("" ::: "memory");                                \
        ctx_value;                                                    \
    })

#define ctx_write(field, value)                       \
    do {                                              \
        *(volatile typeof(field)*)&(field) = (value); \
        asm volatile("" ::: "memory");                \
    } while (0)

static __always_inline void set_v4(struct fsm_address* address, __u32 ip_be) {
    __u32* words = address->words;
    words[0] = 0;
    words[1] = 0;
    words[2] = bpf_htonl(0xffff);
    words[3] = ip_be;
}

static __always_inline void set_v6(struct fsm_address* address, __u32 a, __u32 b, __u32 c,
                                   __u32 d) {
    __u32* words = address->words;
    words[0] = a;
    words[1] = b;
    words[2] = c;
    words[3] = d;
}

static __always_inline int is_v4(const struct fsm_address* address) {
    const __u32* words = address->words;
    return words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff);
}

static __always_inline __u32 v4_of(const struct fsm_address* address) {
    return address->words[3];
}

static __always_inline int equal_words(const __u32* a, const __u32* b) {
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static __always_inline int equal(const struct fsm_address* a, const struct fsm_address* b) {
    return equal_words(a->words, b->words);
}

static __always_inline int v4_is_loopback(__u32 ip_be) {
    return (ip_be & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

static __always_inline int is_loopback(const struct fsm_address* address) {
    const __u32* words = address->words;
    if (is_v4(address)) {
        return v4_is_loopback(words[3]);
    }
    return words[0] == 0 && words[1] == 0 && words[2] == 0 && words[3] == bpf_htonl(1);
}

/* 127.0.0.1 or ::1, the only loopback addresses that the meshes' rules leave alone for a sidecar.
 */
static __always_inline int is_localhost(const struct fsm_address* address) {
    return is_loopback(address) && (!is_v4(address) || v4_of(address) == bpf_htonl(0x7f000001));
}

/* fe80::/10 */
static __always_inline int is_link_local6(const struct fsm_address* address) {
    return (address->words[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

static __always_inline int is_unspecified(const struct fsm_address* address) {
    const __u32* words = address->words;
    return words[0] == 0 && words[1] == 0 && words[3] == 0 &&
           (words[2] == 0 || words[2] == bpf_htonl(0xffff));
}

/* Multicast, and the limited broadcast address: the kernel refuses to connect there, with an error
 * that the application must see. */
static __always_inline int is_group(const struct fsm_address* address) {
    if (is_v4(address)) {
        const __u32 ip_be = v4_of(address);
        return (ip_be & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) || ip_be == 0xffffffff;
    }
    return address->bytes[0] == 0xff;
}

/* The pod's own primary address of the family that `like` has; 0 when there is none. */
static __always_inline int own_address(const struct fsm_pod* pod, const struct fsm_address* like,
                                       struct fsm_address* own) {
    if (is_v4(like)) {
        set_v4(own, pod->address4_be);
        return pod->address4_be != 0;
    }
    set_v6(own, pod->address6_be[0], pod->address6_be[1], pod->address6_be[2], pod->address6_be[3]);
    return !is_unspecified(own);
}

#endif
