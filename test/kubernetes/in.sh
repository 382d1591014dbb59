#!/usr/bin/env bash
# Runs a command inside a node: its network, mounts and processes.
#
#   test/kubernetes/in.sh NUMBER COMMAND…
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$(readlink -f "$0")")/lib/settings.sh"
use_node "$1"
shift
node_pid "$state" >/dev/null || die "$node does not run"
in_node "${@:-bash}"
