#!/usr/bin/env bash
# The first process of a node, in new mount, network, pid, uts and ipc namespaces whose mounts
# follow the machine's: creates the node's own mounts, then reaps its processes.
#
#   node_init.sh NUMBER
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$(readlink -f "$0")")/settings.sh"
use_node "$1"

# A sysfs of this network namespace, with the machine's cgroups moved into it and the node's own
# bpffs. This must precede the sharing of the mounts: the kernel refuses to move a mount out of a
# shared one.
own_sys() {
    mkdir -p "$state/mnt"
    mount -t sysfs sysfs "$state/mnt"
    mount --move /sys/fs/cgroup "$state/mnt/fs/cgroup"
    mount -t bpf bpf "$state/mnt/fs/bpf"
    mount --move "$state/mnt" /sys
}

own_run() {
    # The node must not keep the machine's named network namespaces alive.
    umount --recursive /run/netns 2>/dev/null || true
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/services /run/lock /run/netns
}

# The mount points exist only in the overlays. If they were made on the machine, their removal by
# rmdir would detach mounts in all mount namespaces, including another node's.
own_folders() {
    local folder
    for folder in "${overlays[@]}"; do
        mkdir -p "$state/overlay$folder"/{upper,work}
        mount -t overlay overlay "$folder" -o \
            "lowerdir=$folder,upperdir=$state/overlay$folder/upper,workdir=$state/overlay$folder/work"
    done
    for folder in "${own_folders[@]}"; do
        mkdir -p "$state/root$folder" "$folder"
        mount --bind "$state/root$folder" "$folder"
    done
}

# The kubelet expects these values and would set them for the whole machine: bind-mounted files
# return them instead.
own_settings() {
    local setting file
    mkdir -p "$state/sysctl"
    for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1; do
        file=$state/sysctl/${setting//\//.}
        printf '%s\n' "${setting#*=}" >"$file"
        mount --bind "$file" "/proc/sys/${setting%=*}"
    done
    sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    # Without it, answers from a pod on the same bridge bypass the service's address translation.
    sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
}

hostname "$node"
mount -t proc proc /proc
own_sys
own_run
own_folders
own_settings
mount --make-rshared /
ip link set lo up
for hierarchy in /sys/fs/cgroup/*/"$node"; do
    echo 0 >"$hierarchy/system/cgroup.procs"
done
exec -a "$node-init" "$FSM_K8S/bin/pause"
