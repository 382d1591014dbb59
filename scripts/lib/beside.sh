# shellcheck shell=bash
# What runs in the background, beside the suites of scripts/test.sh.

declare -A beside=()

# run_beside SUITE LOG COMMAND…: as a group of processes, so that it can be ended as one.
run_beside() {
    local suite=$1 log=$2
    shift 2
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    set +m
    beside[$suite]=$!
}

# On what the others leave of the processors.
idle() {
    chrt --idle --pid 0 "$BASHPID"
    "$@"
}

# finish_beside SUITE: waits for what was begun, and has its exit status.
finish_beside() {
    local status=0
    wait "${beside[$1]}" || status=$?
    unset "beside[$1]"
    return "$status"
}

# As Ctrl-C does, so that tests clean up after themselves.
end_beside() {
    local pid
    for pid in "${beside[@]}"; do
        kill -INT -- "-$pid" 2>/dev/null || true
    done
    wait
}
