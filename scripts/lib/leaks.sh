# shellcheck shell=bash
# Lists what interception, its tests and podman may leave on a machine, one thing per line, so that
# two lists can be compared.
: "${repository:?source common.sh first}"

# system_state: prints the sorted list. It omits what changes by itself: BPF programs of service
# managers and container runtimes (device and packet filters of cgroups), and the iterator that
# bpftool loads for its own use.
system_state() {
    {
        bpftool --json prog list | jq -r '.[] |
            select(.type != "cgroup_device" and .type != "cgroup_skb") |
            select((.name // "") | test("^(dump_bpf|libbpf_|pid_iter)") | not) |
            "BPF program \(.id) \(.type) \(.name // "")"'
        bpftool --json map list | jq -r '.[] |
            select((.name // "") | test("^(pid_iter|libbpf_|sd_)") | not) |
            "BPF map \(.id) \(.type) \(.name // "")"'
        bpftool --json link list | jq -r '.[] | "BPF link \(.id) \(.type)"'
        awk '/ - bpf / { print $5 }' /proc/self/mountinfo |
            while read -r bpffs; do find "$bpffs" -mindepth 1 -printf 'pinned object %p\n'; done
        awk '{ print "mount " $5 }' /proc/self/mountinfo
        find /run/netns -mindepth 1 -printf 'network namespace %p\n' 2>/dev/null
        ip -o link show | sed -n 's/^[0-9]*: \([^:@]*\).*/network interface \1/p'
        find /etc/cni/net.d /opt/cni/bin /usr/lib/cni -type f ! -name '*.lock' \
            -exec sha256sum {} + 2>/dev/null | sed 's/^\([0-9a-f]\{12\}\)[0-9a-f]* */CNI file \1 /'
        find /var/lib/cni -type f -printf 'CNI state %p\n' 2>/dev/null
        find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -type d -name 'libpod*' -printf 'cgroup %p\n'
        find /run /tmp -maxdepth 1 -name 'fsm*' -printf 'file %p\n'
        iptables_rules
        project_processes
    } | sort
}

iptables_rules() {
    local command
    for command in iptables-save ip6tables-save; do
        "$command" 2>/dev/null | sed -n "s/^-A /${command%-save} rule /p"
    done
}

# Processes in podman's containers, and those of the programs that this project builds or starts.
project_processes() {
    local exe target
    grep --no-messages --files-with-matches --fixed-strings /libpod_parent/ /proc/[0-9]*/cgroup |
        sed 's/^\/proc\/\([0-9]*\).*/process \1 in a container/'
    for exe in /proc/[0-9]*/exe; do
        target=$(readlink "$exe" 2>/dev/null) || continue
        case "$target" in
            "$repository"/build/* | */fsm-interceptor | */fsm-cni | */haproxy | */nginx | */conmon)
                printf 'process %s %s\n' "$(basename "$(dirname "$exe")")" "$target"
                ;;
        esac
    done
}

# new_since BEFORE: prints what exists now and is not in the list BEFORE. The kernel frees programs
# and maps a moment after their last user; so only what stays for three seconds is reported.
new_since() {
    local before=$1 attempt left
    for ((attempt = 0; attempt < 10; attempt++)); do
        left=$(comm -13 <(printf '%s\n' "$before") <(system_state))
        [[ -n $left ]] || return 0
        sleep 0.3
    done
    printf '%s\n' "$left"
}

# gone_since BEFORE: prints what no longer exists, of the things that no test may remove.
gone_since() {
    comm -23 <(printf '%s\n' "$1") <(system_state) | grep '^CNI file\|^mount\|^network interface\|rule ' || true
}
