#!/usr/bin/env bash
# Compares with iptables and with no mesh, in one run, on this machine.
#
#   scripts/bench.sh            a table for people, about 20 minutes
#   scripts/bench.sh --quick    one size a workload, less than a minute
#   scripts/bench.sh --json     {"about": {...}, "rows": [...]} for programs
#   scripts/bench.sh --help     all options
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/common.sh"

main() {
    local argument help=
    for argument in "$@"; do
        [[ $argument != -h && $argument != --help ]] || help=yes
    done
    # FSM_BUILD_DIR names an existing build.
    if [[ -z $help && -z ${FSM_BUILD_DIR:-} ]]; then
        need_root
        # Standard output is for the result only.
        "$repository/scripts/install-packages.sh" build run >&2
        build release fsm-interceptor fsm-cni stream
    fi
    PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "$repository/test/bench/bench.py" "$@"
}

main "$@"
