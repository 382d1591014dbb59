#!/usr/bin/env bash
# The demo: two pods, started by podman from ordinary manifests, whose traffic goes through their
# sidecars without iptables. Installs missing packages, builds, shows, compares, and removes
# everything that it created, also on failure and on Ctrl-C.
#
#   scripts/demo.sh             all of it, in less than three minutes once the packages are there
#   scripts/demo.sh --no-build  with the binaries that are in build/release
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/common.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/podman.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/sample_pods.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/leaks.sh"

readonly demo_network=fsm-demo
readonly demo_bridge=fsm-demo0
readonly demo_subnet=10.231.7.0/24
readonly application_port=8080
readonly closed_port=9999
readonly load_port=9000
readonly rounds=3
readonly binaries=$repository/build/release
readonly manifests=$repository/manifests/demo

title() {
    printf '\n%s%s%s\n' "$bold" "$1" "$plain"
}

# fact WHO TEXT
fact() {
    printf '  %s%-19s%s %s\n' "$dim" "$1" "$plain" "$2"
}

main() {
    local no_build=
    case "${1:-}" in
        '') ;;
        --no-build) no_build=yes ;;
        *) die "unknown option '$1'; there is --no-build" ;;
    esac
    need_root
    title "FSM: two pods, two sidecars, no iptables"
    prepare "$no_build"
    take_down_on_exit
    title "1. What was started"
    start_interceptor
    start_pods
    title "2. One request, hop by hop"
    show_request
    title "3. A port at which nothing listens is intercepted too"
    show_closed_port
    title "4. What the data path counted"
    show_counters
    title "5. The same programs with iptables, and with no mesh"
    compare
    title "6. Taking everything down"
}

# --- setting up and taking down -----------------------------------------------------------------

prepare() {
    local started=$SECONDS
    "$repository/scripts/install-packages.sh" build run
    if [[ -z $1 ]]; then
        printf '  building ...\n'
        build release fsm-interceptor fsm-cni stream || exit 1
    fi
    local binary
    for binary in interceptor/fsm-interceptor cni-plugin/fsm-cni test/bin/stream; do
        [[ -x $binaries/$binary ]] || die "$binaries/$binary is missing: run without --no-build"
    done
    printf '  packages and binaries are there (%d s)\n' $((SECONDS - started))
}

take_down_on_exit() {
    [[ ! -e /sys/class/net/$demo_bridge ]] ||
        die "the interface $demo_bridge exists: another demo runs, or was killed (ip link del $demo_bridge)"
    before=$(system_state)
    clean_up_on_exit
    on_exit report_leftovers
    work=$(mktemp -d /tmp/fsm-demo.XXXXXX)
    on_exit rm -rf "$work"
    mkdir -p "$work"/{pods,cni-bin,bpf,run}
}

start_interceptor() {
    cat >"$work/interceptor.yaml" <<CONFIG
socket: $work/run/fsm-cni.sock
stateDirectory: $work/run/state
bpffs: $work/bpf
bpfName: fsm-demo
profile: fsm
podSource:
  directory: $work/pods
inbound: auto
acceleration: auto
logLevel: info
CONFIG
    on_exit uninstall_interceptor
    # In its own session: only this script handles Ctrl-C, and stops everything in order.
    setsid "$binaries/interceptor/fsm-interceptor" run --config "$work/interceptor.yaml" \
        >"$work/interceptor.log" 2>&1 </dev/null &
    interceptor_pid=$!
    on_exit stop_process "$interceptor_pid"
    wait_until 20 "fsm-interceptor to answer" interceptor_answers_or_ended || true
    if ! interceptor_get /v1/status >/dev/null; then
        tail -n 20 "$work/interceptor.log" >&2
        die "fsm-interceptor does not work here (its log is above)"
    fi
    fact fsm-interceptor "process $interceptor_pid; it takes pods from a directory of Pod manifests"
}

interceptor_get() {
    curl --silent --fail --max-time 5 --unix-socket "$work/run/fsm-cni.sock" "http://localhost$1"
}

interceptor_answers_or_ended() {
    interceptor_get /v1/status || ! kill -0 "$interceptor_pid"
}

uninstall_interceptor() {
    local words
    words=$("$binaries/interceptor/fsm-interceptor" uninstall --config "$work/interceptor.yaml" 2>&1) ||
        printf '%s\n' "$words" >&2
    ! mountpoint --quiet "$work/bpf" || umount "$work/bpf"
}

start_pods() {
    cp "$binaries/cni-plugin/fsm-cni" "$work/cni-bin/"
    podman_setup "$work/podman" "$demo_network" "$demo_bridge" "$demo_subnet" ",
    { \"type\": \"fsm-cni\", \"socket\": \"$work/run/fsm-cni.sock\", \"state_dir\": \"$work/run/state\" }" \
        "$work/cni-bin"
    on_exit remove_bridge
    on_exit podman_remove
    sample_images "$work" "$binaries/test/bin/stream"
    fact "CNI chain" "bridge (host-local), then fsm-cni: $demo_network.conflist of a podman of its own"

    manifest_of server >"$work/pods/server.yaml"
    manifest_of client >"$work/pods/client.yaml"
    local way
    for way in iptables direct; do
        manifest_of server "$way" >"$work/pods/server-$way.yaml"
        manifest_of client "$way" >"$work/pods/client-$way.yaml"
    done
    local manifest
    for manifest in "$work"/pods/*.yaml; do
        start_pod "$manifest" || exit 1
    done
    server_address=$(pod_address server)
    client_address=$(pod_address client)
    wait_until 10 "the application to answer" request "$application_port" || exit 1
    fact "client pod" "$client_address: curl, and HAProxy as the sidecar (uid 1500)"
    fact "server pod" "$server_address: nginx, and HAProxy as the sidecar (uid 1500)"
    fact "decided by auto" "$(interceptor_get /v1/pods | jq -r '.pods[] |
        select(.pod == "default/client") | "inbound \(.inbound), acceleration \(.acceleration)"')"
    fact "iptables rules" "$(rules_of client) in the client pod, $(rules_of server) in the server pod"
}

# manifest_of POD [WAY]: the manifest as it is, or a copy of the pod outside of the mesh, for the
# comparison.
manifest_of() {
    if [[ -z ${2:-} ]]; then
        cat "$manifests/$1.yaml"
        return
    fi
    sed -e "s/^  name: $1\$/  name: $1-$2/" \
        -e 's/sidecar-injection: enabled/sidecar-injection: disabled/' "$manifests/$1.yaml"
}

remove_bridge() {
    [[ ! -e /sys/class/net/$demo_bridge ]] || ip link del "$demo_bridge"
}

in_pod() {
    local pod=$1
    shift
    nsenter --net --target "$(pod_pid "$pod")" "$@"
}

rules_of() {
    local count
    count=$(in_pod "$1" iptables-save 2>/dev/null | grep -c '^-A') || true
    printf '%s' "${count:-0}"
}

# Only this demo's kinds of things: other programs of the machine start and stop meanwhile.
report_leftovers() {
    local left
    left=$(new_since "$before" |
        grep -E '^BPF (program|map).* fsm_|fsm-demo|libpod|/run/netns/netns-|in a container|^CNI|rule ') || true
    if [[ -n $left ]]; then
        printf '%s\n' "$left" >&2
        printf '%s: the above is new on this machine since the demo began\n' "$program" >&2
        return 1
    fi
    fact "left behind" "nothing: no program, map, pin, mount, namespace, interface, process or file"
}

# --- what is shown ------------------------------------------------------------------------------

# request PORT: one request of the client's application; prints the answer, then curl's own two ends.
request() {
    podman_here exec client-app curl --silent --max-time 5 \
        --write-out '%{local_ip}:%{local_port} %{remote_ip}:%{remote_port} %{exitcode}\n' \
        "http://$server_address:$1/"
}

# sidecar_line POD LISTENER PORT: what the sidecar logged last about a connection to that port.
sidecar_line() {
    podman_here logs "$1-sidecar" 2>&1 | grep "^$2 [^ ]* [^ ]*:$3 " | tail -n 1
}

show_request() {
    local answer application_saw application_at client_end believed listener peer told from to
    answer=$(request "$application_port") || die "the request failed: $answer"
    read -r application_saw application_at < <(sed -n 1p <<<"$answer")
    read -r client_end believed _ < <(sed -n 2p <<<"$answer")
    wait_until 5 "the sidecars' logs" sidecar_line server inbound "$application_port"

    fact "client: curl" "calls $server_address:$application_port from $client_end"
    fact "" "its peer, it believes, is $believed"
    fact "" "in the kernel its socket's far end is $(far_end_of client "$client_end")"
    read -r listener peer told from to _ < <(sidecar_line client outbound "$application_port")
    fact "client: sidecar" "$listener listener: accepted from $peer, SO_ORIGINAL_DST says $told"
    fact "" "connects from $from to $to"
    read -r listener peer told from to _ < <(sidecar_line server inbound "$application_port")
    fact "server: sidecar" "$listener listener: accepted from $peer, SO_ORIGINAL_DST says $told"
    fact "" "connects from $from to $to"
    fact "server: nginx" "accepted from $application_saw at $application_at"
}

# far_end_of POD LOCAL_END: the kernel's own idea of a connection, TIME_WAIT included.
far_end_of() {
    in_pod "$1" ss --tcp --all --numeric --no-header | awk -v end="$2" '$4 == end { print $5; exit }'
}

show_closed_port() {
    local answer listener peer told from to ending
    answer=$(request "$closed_port") && die "a request to a closed port succeeded: $answer"
    wait_until 5 "the sidecars' logs" sidecar_line server inbound "$closed_port"
    fact "client: curl" "calls $server_address:$closed_port; error ${answer##* }: an empty answer"
    read -r listener peer told from to ending < <(sidecar_line server inbound "$closed_port")
    fact "server: sidecar" "accepted from $peer, SO_ORIGINAL_DST says $told"
    fact "" "tries 127.0.0.1:${to##*:} from ${from%:*}, which is refused ($ending)"
}

# Only the counters that have changed.
show_counters() {
    local counters name meaning value
    counters=$(interceptor_get /v1/counters)
    while IFS='|' read -r name meaning; do
        value=$(jq --arg name "$name" '.counters[$name] // 0' <<<"$counters")
        [[ $value -eq 0 ]] || fact "" "$(printf '%6s %s' "$value" "$meaning")"
    done <<'COUNTERS'
connect_outbound|connects sent to the client sidecar's outbound listener
inbound_steered|connections steered to the server sidecar's inbound listener (sk_lookup)
inbound_rewritten|connections rewritten to the server sidecar's inbound listener (tc)
original_dst_answered|times SO_ORIGINAL_DST was answered
handshake_paired|connections whose two ends were paired
socket_accelerated|sockets that take part in redirection
message_redirected|messages moved straight into the peer's receive queue
message_redirected_bytes|bytes of those messages
message_behind_tcp|messages that went by TCP, behind data that had gone that way
COUNTERS
}

# --- the comparison -----------------------------------------------------------------------------

compare() {
    local way
    mesh_with_iptables server-iptables
    mesh_with_iptables client-iptables
    for way in '' -iptables -direct; do
        podman_here exec --detach "server$way-app" stream server --port "$load_port" >/dev/null
    done
    for way in '' -iptables -direct; do
        wait_until 5 "the server of the load" load keepalive "$way" || exit 1
        # Thousands of short connections per second would otherwise use up the client's ports.
        in_pod "client$way" sysctl --quiet --write net.ipv4.tcp_tw_reuse=1
    done

    declare -A measured=()
    local round workload number
    for ((round = 0; round < rounds; round++)); do
        for workload in keepalive connect; do
            for way in '' -iptables -direct; do
                number=$(load "$workload" "$way")
                measured[$workload$way]+="$number "
            done
        done
    done
    printf '  %-36s %14s %18s\n' '' 'requests/s' 'new connections/s'
    compare_row "no mesh" -direct
    compare_row "both sidecars, iptables REDIRECT" -iptables
    compare_row "both sidecars, this interception" ''
    printf '  %s(%s messages were redirected by now;\n' "$dim" \
        "$(interceptor_get /v1/counters | jq .counters.message_redirected)"
    printf '  1 KB answers on 16 connections; medians of %s rounds of one second, taken in turn;\n' \
        "$rounds"
    printf '  scripts/bench.sh measures with care)%s\n' "$plain"
}

mesh_with_iptables() {
    "$repository/test/harness/iptables_mesh.sh" install --profile fsm \
        --netns "/proc/$(pod_pid "$1")/ns/net"
}

# load WORKLOAD WAY: one second of load from the client's application; prints a number per second.
load() {
    local address result
    address=$(pod_address "server$2")
    local target=(--address "$address" --port "$load_port" --seconds 1 --size 1024)
    case "$1" in
        keepalive)
            result=$(podman_here exec "client$2-app" stream load "${target[@]}" --connections 16) &&
                jq '.requests_per_second | round' <<<"$result"
            ;;
        connect)
            result=$(podman_here exec "client$2-app" stream connects "${target[@]}" \
                --concurrency 16) && jq --exit-status 'if .refused + .other > 0
                    then "connections failed: \(.)\n" | halt_error else .per_second | round end' \
                <<<"$result"
            ;;
    esac || die "load $1 in pod client$2 failed: $result"
}

compare_row() {
    local iptables_requests iptables_connects requests connects
    iptables_requests=$(median "${measured[keepalive-iptables]}")
    iptables_connects=$(median "${measured[connect-iptables]}")
    requests=$(median "${measured[keepalive$2]}")
    connects=$(median "${measured[connect$2]}")
    printf '  %-36s %8s %s× %11s %s×\n' "$1" "$requests" "$(ratio "$requests" "$iptables_requests")" \
        "$connects" "$(ratio "$connects" "$iptables_connects")"
}

median() {
    tr ' ' '\n' <<<"$1" | grep . | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

ratio() {
    awk -v value="$1" -v of="$2" 'BEGIN { printf "%.2f", of ? value / of : 0 }'
}

main "$@"
