#!/bin/bash
# The meshes' own iptables rules, in their order: the baseline of every comparison.
#
#   iptables_mesh.sh install|remove --profile istio|kuma|fsm [--netns PATH]
#       [--uid N] [--gid N] [--outbound PORT] [--inbound PORT] [--inbound6 PORT]
#       [--ipv6 on|off] [--exclude-inbound-ports P,P] [--exclude-outbound-ports P,P]
#       [--include-inbound-ports P,P] [--include-outbound-ports P,P]
#       [--exclude-outbound-ranges CIDR,CIDR] [--include-outbound-ranges CIDR,CIDR]
#       [--exclude-interfaces IF,IF]
#
# --netns: a namespace file such as /run/netns/x; default: the caller's own namespace. A profile
# sets uid, gid, ports, IPv6 and the inbound ports that the mesh itself excludes; options override
# them, exclusions are added. `remove` removes exactly what `install` created.
set -Eeuo pipefail

usage() {
    sed -n '2,16s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

die() {
    echo "iptables_mesh: $*" >&2
    exit 1
}

action=${1:-}
[[ $action == install || $action == remove ]] || usage
shift

netns=""
profile=""
declare -A option=()
while (($#)); do
    case $1 in
        --netns | --profile | --uid | --gid | --outbound | --inbound | --inbound6 | --ipv6 | \
            --exclude-inbound-ports | --exclude-outbound-ports | --include-inbound-ports | \
            --include-outbound-ports | --exclude-outbound-ranges | --include-outbound-ranges | \
            --exclude-interfaces)
            (($# >= 2)) || die "$1 needs a value"
            option[${1#--}]=$2
            shift 2
            ;;
        *) die "unknown option $1" ;;
    esac
done
netns=${option[netns]:-}
profile=${option[profile]:-}

# The differences between the profiles. `own_source`: rule 1, the sidecar's connections to its own
# application.
own_source4="" own_source6="" self_call_exempt="" accepted_in_redirect=""
case $profile in
    istio)
        uid=1337 gid=1337 outbound=15001 inbound=15006 ipv6=off
        mesh_inbound_exclusions=15008,15020,15021,15090
        own_source4=127.0.0.6 own_source6=::6 self_call_exempt=15008
        ;;
    kuma)
        uid=5678 gid=5678 outbound=15001 inbound=15006 ipv6=on
        mesh_inbound_exclusions=15008,22
        own_source4=127.0.0.6 own_source6=::6
        ;;
    fsm)
        uid=1500 gid="" outbound=15001 inbound=15003 ipv6=off
        mesh_inbound_exclusions=15010,15901,15902,15903,15904
        accepted_in_redirect=15000
        ;;
    *) die "--profile: \"$profile\" is not istio, kuma or fsm" ;;
esac
uid=${option[uid]:-$uid}
gid=${option[gid]-$gid}
outbound=${option[outbound]:-$outbound}
inbound=${option[inbound]:-$inbound}
# Kuma uses a separate port for IPv6 inbound (15010) if the sidecar listens on one.
inbound6=${option[inbound6]:-$inbound}
ipv6=${option[ipv6]:-$ipv6}
[[ $ipv6 == on || $ipv6 == off ]] || die "--ipv6: \"$ipv6\" is not on or off"

chain_in=MESH_INBOUND
chain_in_redirect=MESH_IN_REDIRECT
chain_out=MESH_OUTPUT
chain_redirect=MESH_REDIRECT

if [[ -n $netns ]]; then
    [[ -e $netns ]] || die "--netns: $netns does not exist"
    enter=(nsenter "--net=$netns")
else
    enter=()
fi

list() { # "a,b" -> one a line
    tr ',' '\n' <<<"$1" | sed '/^$/d'
}

nat() { "${enter[@]}" "$tables" -w -t nat "$@"; }

# The CIDRs of the current family in a comma-separated list.
ranges_of_family() {
    local range
    for range in $(list "$1"); do
        if [[ $range == *:* && $tables == ip6tables || $range != *:* && $tables == iptables ]]; then
            echo "$range"
        fi
    done
}

make_chains() {
    local chain
    for chain in "$chain_in" "$chain_in_redirect" "$chain_out" "$chain_redirect"; do
        nat -N "$chain"
    done
}

inbound_rules() {
    local port
    nat -A "$chain_in_redirect" -p tcp -j REDIRECT --to-ports "$in_port"
    for port in $(list "$mesh_inbound_exclusions,${option[exclude-inbound-ports]:-}"); do
        nat -A "$chain_in" -p tcp --dport "$port" -j RETURN
    done
    if [[ -n ${option[include-inbound-ports]:-} ]]; then
        for port in $(list "${option[include-inbound-ports]}"); do
            nat -A "$chain_in" -p tcp --dport "$port" -j "$chain_in_redirect"
        done
    else
        nat -A "$chain_in" -p tcp -j "$chain_in_redirect"
    fi
    nat -A PREROUTING -p tcp -j "$chain_in"
}

# One rule for the uid and one for the gid: either identifies the sidecar.
for_sidecar() {
    nat -A "$chain_out" "$@" -m owner --uid-owner "$uid"
    [[ -z $gid ]] || nat -A "$chain_out" "$@" -m owner --gid-owner "$gid"
}

outbound_own_source_rule() {
    [[ -z $own_source ]] || nat -A "$chain_out" -s "$own_source" -o lo -j RETURN
}

outbound_self_call_rules() {
    local exempt=()
    [[ -z $self_call_exempt ]] || exempt=(-m tcp ! --dport "$self_call_exempt")
    for_sidecar -o lo ! -d "$loopback" -p tcp "${exempt[@]}" -j "$chain_in_redirect"
    # All other traffic over lo is not redirected.
    nat -A "$chain_out" -o lo -m owner ! --uid-owner "$uid" -j RETURN
    [[ -z $gid ]] || nat -A "$chain_out" -o lo -m owner ! --gid-owner "$gid" -j RETURN
}

outbound_rules() {
    local port range interface
    [[ -z $accepted_in_redirect ]] ||
        nat -A "$chain_redirect" -p tcp --dport "$accepted_in_redirect" -j ACCEPT
    nat -A "$chain_redirect" -p tcp -j REDIRECT --to-ports "$outbound"

    outbound_own_source_rule
    outbound_self_call_rules
    for_sidecar -j RETURN
    nat -A "$chain_out" -d "$loopback" -j RETURN
    for range in $(ranges_of_family "${option[exclude-outbound-ranges]:-}"); do
        nat -A "$chain_out" -d "$range" -j RETURN
    done
    for port in $(list "${option[exclude-outbound-ports]:-}"); do
        nat -A "$chain_out" -p tcp --dport "$port" -j RETURN
    done
    for interface in $(list "${option[exclude-interfaces]:-}"); do
        nat -A "$chain_out" -o "$interface" -j RETURN
    done
    outbound_inclusions
    nat -A OUTPUT -p tcp -j "$chain_out"
}

# A list of ports and a list of ranges: either one is enough, as in Istio. No list: everything.
outbound_inclusions() {
    local port range
    if [[ -z ${option[include-outbound-ports]:-}${option[include-outbound-ranges]:-} ]]; then
        nat -A "$chain_out" -p tcp -j "$chain_redirect"
        return
    fi
    for port in $(list "${option[include-outbound-ports]:-}"); do
        nat -A "$chain_out" -p tcp --dport "$port" -j "$chain_redirect"
    done
    for range in $(ranges_of_family "${option[include-outbound-ranges]:-}"); do
        nat -A "$chain_out" -p tcp -d "$range" -j "$chain_redirect"
    done
}

install_family() {
    make_chains
    inbound_rules
    outbound_rules
}

remove_family() {
    local chain
    nat -D PREROUTING -p tcp -j "$chain_in" 2>/dev/null || true
    nat -D OUTPUT -p tcp -j "$chain_out" 2>/dev/null || true
    for chain in "$chain_in" "$chain_out" "$chain_redirect" "$chain_in_redirect"; do
        nat -F "$chain" 2>/dev/null || true
        nat -X "$chain" 2>/dev/null || true
    done
}

each_family() {
    tables=iptables loopback=127.0.0.1/32 own_source=$own_source4 in_port=$inbound
    "$1"
    if [[ $ipv6 == on || $action == remove ]]; then
        tables=ip6tables loopback=::1/128 own_source=$own_source6 in_port=$inbound6
        "$1"
    fi
}

if [[ $action == install ]]; then
    # A failure must not leave half of the rules.
    trap 'each_family remove_family' ERR
    each_family install_family
else
    each_family remove_family
fi
