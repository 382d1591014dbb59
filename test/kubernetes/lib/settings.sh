# shellcheck shell=bash
# Names, folders and addresses of the test cluster, and access to a node. The cluster runs on this
# machine, each node in its own namespaces, on a bridge with the machine.

# shellcheck disable=SC2034  # used by those who source this file
{
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    # The binaries, and the files of running nodes. Not below /var/lib, /var/log, /etc or /opt,
    # where nodes have other mounts.
    FSM_K8S=$(readlink --canonicalize-missing "${FSM_K8S:-$here/../../build/kubernetes}")
    cluster=fsmk8s
    program=$(basename "$0" .sh)

    machine_ip=10.199.0.1 machine_ip6=fd00:199::1
    control_ip=10.199.0.11 control_ip6=fd00:199::11
    # The IPv6 range holds those of all nodes: kube-proxy masquerades what comes from outside of it.
    pods_cidr=10.200.0.0/16 pods_cidr6=fd00:200::/32
    services_cidr=10.201.0.0/16 services_cidr6=fd00:201::/112
    first_service_ip=10.201.0.1
    domain=cluster.local
    api_server=https://$control_ip:6443

    control=${cluster}1
    control_state=$FSM_K8S/state/$control
    pki=$control_state/pki

    # The hierarchies of version 1, and `unified`, of version 2, to which BPF programs are attached.
    cgroups=(cpu cpuacct cpuset memory devices freezer blkio pids systemd unified)
    # A node sees its own overlay of these, in which these folders are private.
    overlays=(/var/lib /var/log /etc /opt)
    own_folders=(/var/lib/kubelet /var/lib/containerd /var/lib/cni /var/log/pods
        /var/log/containers /etc/cni/net.d /etc/cni/bare.d /opt/cni/bin)
}
export FSM_K8S PATH=$FSM_K8S/bin:$PATH KUBECONFIG=$control_state/admin.kubeconfig
# kubectl and helm cache an API server by its address: keep that out of the home folder.
export KUBECACHEDIR=$control_state/kubectl-cache HELM_CACHE_HOME=$control_state/helm-cache
export NO_PROXY=${NO_PROXY:+$NO_PROXY,}$control_ip

die() {
    printf '%s: %s\n' "$program" "$*" >&2
    exit 1
}

# use_node NUMBER: sets the variables for this node. 1 also has the control plane.
use_node() {
    number=$1
    node=$cluster$number
    state=$FSM_K8S/state/$node
    node_ip=10.199.0.$((10 + number)) node_ip6=fd00:199::$((10 + number))
    pod_cidr=10.200.$number.0/24 pod_cidr6=fd00:200:$number::/64
}

# node_pid STATE: the node's first process, by the machine's pid; fails if the node does not run.
node_pid() {
    local folder=$1 pid
    pid=$(cat "$folder/node.pid" 2>/dev/null) && [[ -n $pid ]] || return
    [[ $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") == "$(basename "$folder")-init " ]] || return
    printf '%s\n' "$pid"
}

in_node() {
    nsenter --target "$(node_pid "$state")" --mount --net --pid --uts --ipc -- "$@"
}

# wait_for SECONDS COMMAND…
wait_for() {
    local seconds=$1 attempt
    shift
    for ((attempt = 0; attempt < seconds * 20; attempt++)); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.05
    done
    die "waited $seconds s in vain for: $*"
}
