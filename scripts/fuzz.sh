#!/usr/bin/env bash
# Runs the fuzzers of test/fuzz: all of them, or those that are named (a name is that of a folder in
# test/fuzz/seeds).
#
#   scripts/fuzz.sh [--seconds N] [--no-build] [NAME…]       60 seconds each, unless it is said
#
# What a fuzzer has found interesting stays in build/fuzz/corpus/NAME, and is where the next run goes on.
# An input that breaks something is named, and stays in build/fuzz/found: mend it, and make it a unit
# test.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/common.sh"

readonly fuzzers=$repository/build/fuzz/fuzzers
readonly corpora=$repository/build/fuzz/corpus
readonly found=$repository/build/fuzz/found
readonly longest_input=4096
readonly seconds_for_one_input=10

main() {
    local seconds=60 build_first=yes
    while [[ ${1:-} == --* ]]; do
        case $1 in
            --seconds)
                seconds=${2:-}
                shift
                ;;
            --no-build) build_first= ;;
            *) die "$1 is no option; there are: --seconds N, --no-build" ;;
        esac
        shift
    done
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "--seconds '$seconds' is not a number of seconds"
    local names=("$@")
    [[ $# -gt 0 ]] || mapfile -t names < <(ls "$repository/test/fuzz/seeds")
    local name
    for name in "${names[@]}"; do
        [[ -d $repository/test/fuzz/seeds/$name ]] ||
            die "there is no fuzzer '$name'; there are: $(ls -m "$repository/test/fuzz/seeds")"
    done
    if [[ $build_first ]]; then
        build fuzz fuzzers || exit 1
    fi

    export -f run_fuzzer
    export fuzzers corpora found longest_input seconds_for_one_input repository
    mkdir -p "$found"
    printf '%s\0' "${names[@]}" |
        xargs --null --max-procs="$(nproc)" --replace bash -c 'run_fuzzer "$@"' fuzz {} "$seconds"
}

# run_fuzzer NAME SECONDS: one line that says how it went; what the fuzzer says only if it failed.
run_fuzzer() {
    local name=$1 seconds=$2 log=$corpora/$1.log status=0 runs
    mkdir -p "$corpora/$name"
    "$fuzzers/fuzz_$name" -max_total_time="$seconds" -max_len="$longest_input" \
        -timeout="$seconds_for_one_input" -artifact_prefix="$found/$name-" -print_final_stats=1 \
        "$corpora/$name" "$repository/test/fuzz/seeds/$name" >"$log" 2>&1 </dev/null || status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [[ $status -eq 0 ]]; then
        printf '%-16s passed: %s inputs in %s s\n' "$name" "$runs" "$seconds"
        return
    fi
    tail -n 40 "$log"
    printf '%-16s failed (%s): the input is in %s\n' "$name" "$status" "$found"
    return 1
}

main "$@"
