/* SPDX-License-Identifier: GPL-2.0-only */
/* What may stand before a TCP header and hide it: VLAN tags, and extension headers of IPv6. */
#ifndef FSM_BPF_HEADERS_H
#define FSM_BPF_HEADERS_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN_ID_MASK 0x0fff

/* The kernel takes the first VLAN tag off before tc runs. When a packet has more tags, and all of
 * them are of VLAN 0 (a priority, and no network), the kernel takes the others off after tc and
 * delivers the packet on the same interface: tc never sees what is behind them. */
static __always_inline int hidden_by_tags(struct __sk_buff* skb) {
    __u16 tag_be;
    if ((skb->protocol != bpf_htons(ETH_P_8021Q) && skb->protocol != bpf_htons(ETH_P_8021AD)) ||
        (skb->vlan_tci & VLAN_ID_MASK) || bpf_skb_load_bytes(skb, ETH_HLEN, &tag_be, 2)) {
        return 0;
    }
    return !(bpf_ntohs(tag_be) & VLAN_ID_MASK);
}

static __always_inline int is_extension(__u8 type) {
    return type == IPPROTO_HOPOPTS || type == IPPROTO_ROUTING || type == IPPROTO_DSTOPTS ||
           type == IPPROTO_FRAGMENT || type == IPPROTO_AH;
}

/* The length of an extension header in bytes; 0 for a later fragment, which has no ports. */
static __always_inline __u32 extension_length(__u8 type, const __u8* header) {
    if (type == IPPROTO_FRAGMENT) {
        return (((__u16)header[2] << 8 | header[3]) & 0xfff8) ? 0 : 8;
    }
    return type == IPPROTO_AH ? (header[1] + 2) * 4 : (header[1] + 1) * 8;
}

#endif
