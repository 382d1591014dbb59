#!/usr/bin/env bash
# Starts a node of the test cluster; run again, it restarts what has ended.
#
#   test/kubernetes/up.sh [NUMBER]      1, the default, is control plane and node; 2… are nodes
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$(readlink -f "$0")")/lib/settings.sh"
for part in node keys configuration daemons; do
    # shellcheck source=/dev/null
    source "$here/lib/$part.sh"
done

main() {
    use_node "${1:-1}"
    [[ $number == 1 ]] || node_pid "$control_state" >/dev/null || die "$control does not run"
    mkdir -p "$state"/{log,etc}
    node_pid "$state" >/dev/null || start_node
    make_keys
    write_configuration
    start_daemons
    wait_for 30 kubectl get node "$node"
    kubectl wait --for condition=Ready "node/$node" --timeout 60s >/dev/null
    wait_for 30 kubectl --namespace default get serviceaccount default
}

main "$@"
