# shellcheck shell=bash
# A node's namespaces, its cgroups, and its links to the machine and to the other nodes.
# shellcheck disable=SC2154  # settings.sh assigns it
: "${here:?source settings.sh first}"

start_node() {
    make_cgroups
    unshare_node
    connect_to_machine
    connect_to_other_nodes
}

make_cgroups() {
    local hierarchy folder file
    for hierarchy in "${cgroups[@]}"; do
        folder=/sys/fs/cgroup/$hierarchy/$node
        [[ -d /sys/fs/cgroup/$hierarchy ]] || continue
        mkdir -p "$folder"
        if [[ $hierarchy == cpuset ]]; then
            # A new cpuset is empty, and no process can enter it.
            for file in cpus mems; do
                cat "/sys/fs/cgroup/cpuset/cpuset.$file" >"$folder/cpuset.$file"
            done
            echo 1 >"$folder/cgroup.clone_children"
        fi
        mkdir -p "$folder/system"
    done
}

unshare_node() {
    local holder
    # Pods inherit the limit of open files; root here may not raise it further.
    ulimit -n 20000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
    setsid unshare --mount --propagation slave --net --pid --uts --ipc --fork --kill-child \
        "$here/lib/node_init.sh" "$number" </dev/null >"$state/log/node-init.log" 2>&1 9>&- &
    holder=$!
    wait_for 10 first_process_found "$holder" ||
        die "$node did not start: $(cat "$state/log/node-init.log")"
}

first_process_found() {
    pgrep --parent "$1" | head -n 1 >"$state/node.pid"
    node_pid "$state"
}

connect_to_machine() {
    if ! ip link show "$cluster" >/dev/null 2>&1; then
        ip link add "$cluster" type bridge
        ip address add "$machine_ip/24" dev "$cluster"
        ip address add "$machine_ip6/64" dev "$cluster" nodad
        ip link set "$cluster" up
        ip route replace "$services_cidr" via "$control_ip"
        ip -6 route replace "$services_cidr6" via "$control_ip6"
    fi
    ip link add "$node" type veth peer name eth0 netns "$(node_pid "$state")"
    ip link set "$node" master "$cluster"
    ip link set "$node" up
    in_node ip address add "$node_ip/24" dev eth0
    in_node ip address add "$node_ip6/64" dev eth0 nodad
    in_node ip link set eth0 up
    in_node ip route add default via "$machine_ip"
    in_node ip -6 route add default via "$machine_ip6"
    ip route replace "$pod_cidr" via "$node_ip"
    ip -6 route replace "$pod_cidr6" via "$node_ip6"
}

# No NAT between nodes: each node has a route to the other's pods.
connect_to_other_nodes() {
    local other pid
    for other in "$FSM_K8S/state/$cluster"*; do
        [[ $other != "$state" ]] || continue
        pid=$(node_pid "$other") || continue
        nsenter --target "$pid" --net ip route replace "$pod_cidr" via "$node_ip"
        nsenter --target "$pid" --net ip -6 route replace "$pod_cidr6" via "$node_ip6"
        route_to "${other##*/"$cluster"}"
    done
}

# route_to NUMBER: in a subshell, because that node's addresses would replace the current ones.
route_to() (
    own_pid=$(node_pid "$state")
    use_node "$1"
    nsenter --target "$own_pid" --net ip route replace "$pod_cidr" via "$node_ip"
    nsenter --target "$own_pid" --net ip -6 route replace "$pod_cidr6" via "$node_ip6"
)
