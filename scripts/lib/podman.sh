# shellcheck shell=bash
# A separate podman: storage, networks and conflist are below one folder, so the machine's podman
# and /etc/cni/net.d are never changed, and cleaning up is removing the pods and then the folder.
#
# What podman 4.3.1 with its CNI backend passes to the plugins of the chain (recorded by a plugin
# that writes its environment to a file; the pod source has to recognise pods by it):
#
#   CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=<name>
#
#   - `podman play kube FILE --network NET`: one ADD per pod, for the infra container; <name> is the
#     manifest's metadata.name. There is no K8S_POD_NAMESPACE, no K8S_POD_UID and no
#     K8S_POD_INFRA_CONTAINER_ID: a manifest is found by its name alone.
#   - `podman pod create --name POD [--infra-name X]` + `podman run --pod POD`: one ADD; <name> is the
#     *pod's* name, never the infra container's.
#   - `podman run --name C` without a pod: <name> is the container's name.
#   - with --ip or --mac-address: `;IP=10.1.2.3` or `;MAC=...` is appended.
#   - DEL carries the same CNI_ARGS, CNI_CONTAINERID (the infra container's 64 hexadecimal digits),
#     CNI_NETNS=/run/netns/netns-<uuid> (still there at DEL) and prevResult.
#   - VERSION is asked first, with CNI_CONTAINERID empty and CNI_NETNS=CNI_PATH=CNI_IFNAME=dummy.
#
# Without --network, play kube creates a network "podman-default-kube-network", which does not call
# ours.
: "${program:?source common.sh first}"

# podman_setup FOLDER NETWORK BRIDGE SUBNET PLUGINS_JSON PLUGIN_FOLDER: prepares everything below
# FOLDER. PLUGINS_JSON are the entries of the conflist behind `bridge`, each with a comma before it.
podman_setup() {
    local folder=$1 network=$2 bridge=$3 subnet=$4 plugins=$5 plugin_folder=$6
    podman_folder=$folder
    podman_network=$network
    mkdir -p "$folder"/{root,run,tmp,net.d}
    cat >"$folder/net.d/10-$network.conflist" <<CONFLIST
{
  "cniVersion": "1.0.0",
  "name": "$network",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "$bridge",
      "isGateway": true,
      "ipam": {
        "type": "host-local",
        "dataDir": "$folder/ipam",
        "ranges": [[{ "subnet": "$subnet" }]],
        "routes": [{ "dst": "0.0.0.0/0" }]
      }
    }$plugins
  ]
}
CONFLIST
    # podman requests the highest limits that the kernel has; where raising them is not allowed (in
    # a container, for instance) runc refuses to start. These are sufficient and always allowed.
    cat >"$folder/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=1000:1000", "nproc=5000:5000"]
log_driver = "k8s-file"
[network]
network_backend = "cni"
cni_plugin_dirs = ["$plugin_folder", "/usr/lib/cni", "/opt/cni/bin"]
network_config_dir = "$folder/net.d"
default_network = "$network"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
infra_image = "localhost/fsm-pause:latest"
CONF
}

podman_here() {
    CONTAINERS_CONF=$podman_folder/containers.conf podman --root "$podman_folder/root" \
        --runroot "$podman_folder/run" --tmpdir "$podman_folder/tmp" "$@"
}

# copy_program ROOT FILE…: copies the host's own programs, with the libraries that they load, into
# an image's file system: no registry and no network is needed.
copy_program() {
    local root=$1 file libraries
    shift
    mapfile -t libraries < <(ldd "$@" 2>/dev/null | sed -n 's/^\t[^/]*\(\/[^ ]*\).*/\1/p' | sort -u)
    for file in "$@" "${libraries[@]}"; do
        [[ -e $root$file ]] || install -D -m 755 "$file" "$root$file"
    done
}

# podman_image ROOT NAME COMMAND: creates the image localhost/NAME from a folder. Stopping is by
# SIGKILL: a first process without a handler ignores every other signal.
podman_image() {
    local root=$1 name=$2 command=$3
    tar -C "$root" --owner=0 --group=0 --numeric-owner -c . |
        podman_here import --quiet \
            --change "ENTRYPOINT $command" --change "ENV PATH=/usr/sbin:/usr/bin:/bin" \
            --change "STOPSIGNAL SIGKILL" - "localhost/$name:latest" >/dev/null
}

# start_pod FILE [OPTION…]: starts the pod of a manifest. podman's output is shown only if it fails;
# podman may exit with 0 although a container of the pod did not start, and reports that on stderr.
start_pod() {
    local manifest=$1 words
    shift
    if ! words=$(podman_here play kube --quiet --network "$podman_network" "$@" "$manifest" 2>&1) ||
        grep -q '^Error\|starting container' <<<"$words"; then
        printf '%s\n' "$words" >&2
        printf '%s: podman could not start the pod of %s (above)\n' "$program" "$manifest" >&2
        return 1
    fi
}

# pod_pid POD: the process that keeps the pod's namespaces.
pod_pid() {
    podman_here inspect --format '{{.State.Pid}}' \
        "$(podman_here pod inspect --format '{{.InfraContainerID}}' "$1")"
}

pod_address() {
    nsenter --net --target "$(pod_pid "$1")" ip -4 -o address show dev eth0 |
        sed -n 's/.* inet \([0-9.]*\).*/\1/p'
}

# remove_pod POD: kills the pod, waits until podman has cleaned up after each container, and only
# then removes it: a concurrent `pod rm` waits for seconds.
remove_pod() {
    local containers
    containers=$(podman_here ps --all --quiet --no-trunc --filter "pod=$1") || return
    podman_here pod kill "$1" >/dev/null 2>&1 || true
    wait_until 5 "podman to clean up behind pod $1" no_process_mentions "$containers" || true
    podman_here pod rm --force --time 0 "$1" >/dev/null
}

# no_process_mentions STRINGS: no process has one of the strings, given one per line, on its command
# line.
no_process_mentions() {
    ! grep -zqsF -- "$1" /proc/[0-9]*/cmdline
}

# podman_remove: removes every pod, image, mount and folder that podman_setup and the functions
# after it created.
podman_remove() {
    # Pods are killed first, as in remove_pod: the command that conmon runs after each container
    # must find its folders. A container that was interrupted in the middle of its start is not
    # killed by the first command, only removed by the next ones.
    podman_here kill --all >/dev/null 2>&1
    wait_until 3 "podman's monitors to leave" no_process_mentions "$podman_folder/" 2>/dev/null
    podman_here pod rm --all --force --time 0 >/dev/null
    podman_here rm --all --force --time 0 >/dev/null
    wait_until 10 "podman's monitors to leave" no_process_mentions "$podman_folder/"
    podman_unmount
    rm -rf "$podman_folder"
    # libcni's cache and libpod's cgroups are at fixed places: remove what is empty, keep what
    # another podman uses.
    rmdir /var/lib/cni/results /var/lib/cni 2>/dev/null
    local parent
    for parent in /sys/fs/cgroup/libpod_parent /sys/fs/cgroup/*/libpod_parent; do
        [[ ! -d $parent ]] || find "$parent" -depth -type d -exec rmdir {} \; 2>/dev/null
    done
    return 0
}

podman_unmount() {
    local mounted
    while read -r mounted; do
        umount --lazy "$mounted"
    done < <(awk -v below="$podman_folder/" 'index($5, below) == 1 { print $5 }' \
        /proc/self/mountinfo | sort -r)
}
