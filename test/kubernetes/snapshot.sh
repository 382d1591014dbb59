#!/usr/bin/env bash
# Prints what a node of the test cluster could leave or change on the machine, one thing per line
# and sorted, so that two snapshots can be compared. Other tests may run meanwhile: of their kinds
# of things, only those with a mark of a node or of its pods are listed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$(readlink -f "$0")")/lib/settings.sh"

# Addresses of nodes, pods and services; interfaces, chains and network namespaces by their names.
readonly ranges='\<10\.(199|200|201)\.|\<fd00:(199|200|201):'
readonly names="\\<($cluster|cni0|cbr0|flannel|kube-|KUBE-|CNI-|cni-[0-9a-f])"

network() {
    {
        ip -brief link | awk '{ print "link", $1 }'
        ip -brief address | sed 's/^/address /'
        { ip route && ip -6 route; } | sed 's/ expires .*//; s/^/route /'
        { iptables-save && ip6tables-save; } | grep -v '^#' | sed 's/\[.*\]//; s/^/packet filter /'
        find /run/netns -mindepth 1 -printf 'network namespace %f\n' 2>/dev/null
    } | grep -E "$ranges|$names" || true
    ip rule | sed 's/^/rule /'
}

kernel() {
    awk '{ print "mount", $5 }' /proc/self/mountinfo | marked_mounts
    find /sys/fs/cgroup -mindepth 2 -type d -path "*$cluster*" -printf 'cgroup %p\n'
    find /sys/fs/bpf -mindepth 1 -printf 'pinned object %p\n' 2>/dev/null
    settings | sed 's/^/setting /'
}

# Where nodes mount: what belongs to their own folders, their state, and containers.
marked_mounts() {
    local patterns=("^mount $FSM_K8S" '^mount /run/containerd' '^mount /run/netns/cni-' '^mount /sys/'
        '^mount /proc/' "${own_folders[@]/#/^mount }" "${overlays[@]/#/^mount }")
    grep -E "$(IFS='|' && printf '%s' "${patterns[*]}")" || true
}

# The settings that nodes and pods change; not the kernel's counters.
settings() {
    local name
    for name in vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops \
        net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.bridge.bridge-nf-call-iptables \
        net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_tcp_timeout_established; do
        sysctl "$name" 2>/dev/null || true
    done
}

files() {
    local path
    for path in "${own_folders[@]}" /run/containerd /run/runc /etc/kubernetes /run/flannel \
        /run/fsm-cni.sock /run/fsm ~/.kube ~/.cache/helm ~/.config/helm ~/.fsm; do
        [[ ! -e $path ]] || find "$path" -maxdepth 1 -printf 'file %p\n'
    done
}

processes() {
    pgrep --full "$FSM_K8S/state|^${cluster}[0-9]+-init" |
        sed 's/^/process /' || true
}

{ network && kernel && files && processes; } | sort
