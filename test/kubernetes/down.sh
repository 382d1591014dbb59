#!/usr/bin/env bash
# Removes the test cluster, or one node of it. The end of a node's first process ends all its
# processes, mounts, interfaces and rules; this removes what is outside of its namespaces: routes,
# cgroups, bridge, files.
#
#   test/kubernetes/down.sh [NUMBER]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$(readlink -f "$0")")/lib/settings.sh"

main() {
    local folder
    if [[ $# -gt 0 ]]; then
        remove_node "$1"
        return
    fi
    for folder in "$FSM_K8S/state/$cluster"*; do
        [[ ! -d $folder ]] || remove_node "${folder##*/"$cluster"}"
    done
    rmdir "$FSM_K8S/state" 2>/dev/null || true
}

remove_node() {
    use_node "$1"
    if node_pid "$state" >/dev/null; then
        [[ $number == 1 ]] || kubectl delete node "$node" --timeout 10s >/dev/null 2>&1 || true
        kill_node "$(node_pid "$state")"
    fi
    # The kernel removes a network namespace a moment after its last process has ended.
    wait_for 10 wire_is_gone
    ip route del "$pod_cidr" via "$node_ip" 2>/dev/null || true
    ip -6 route del "$pod_cidr6" via "$node_ip6" 2>/dev/null || true
    remove_cgroups
    remove_bridge
    rm -rf "$state"
}

# Connections to the other node outlive their processes, and the network namespace with them, for as long as
# the kernel repeats their last segment: minutes, once the other node is gone.
kill_node() {
    nsenter --net="/proc/$1/ns/net" sysctl --quiet --write net.ipv4.tcp_orphan_retries=1
    kill -KILL "$1"
    wait_for 20 process_is_gone "$1"
}

process_is_gone() { [[ ! -d /proc/$1 ]]; }
wire_is_gone() { ! ip link show "$node"; }

remove_cgroups() {
    local hierarchy
    for hierarchy in "${cgroups[@]}"; do
        wait_for 10 remove_cgroup "/sys/fs/cgroup/$hierarchy/$node"
    done
}

remove_cgroup() {
    [[ ! -d $1 ]] || find "$1" -depth -type d -exec rmdir {} + && [[ ! -d $1 ]]
}

# Together with the last node.
remove_bridge() {
    [[ -n $(ls "/sys/class/net/$cluster/brif" 2>/dev/null) ]] ||
        ip link del "$cluster" 2>/dev/null || true
}

main "$@"
