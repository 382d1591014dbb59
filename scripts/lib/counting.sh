# shellcheck shell=bash
# Counting tests: scripts/test.sh sources this after it has set $logs, $repository and $python.
# shellcheck disable=SC2154  # of the script that sources this

passed=0 failed=0
# shellcheck disable=SC2034  # the summary of test.sh has it
skipped=0
# A suite that hangs is a failure too.
readonly suite_limit=1500

# one_test NAME COMMAND…: a check that is one test; its words are shown only if it fails.
one_test() {
    local name=$1 log=$logs/$1.log
    shift
    if "$@" >"$log" 2>&1 </dev/null; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        show_failure "$name" "$log"
    fi
}

show_failure() {
    printf '%s--- %s failed; the end of %s:%s\n' "$red" "$1" "$2" "$plain"
    tail -n 60 "$2"
    printf '%s---%s\n' "$red" "$plain"
}

# reported_tests SUITE REPORT COMMAND…: a runner that writes a JUnit report. One that fails without a
# failed test in its report (it crashed, or found nothing to run) is a failure by itself.
reported_tests() {
    local suite=$1 report=$2 log=$logs/$1.log status=0
    shift 2
    rm -f "$report"
    timeout --signal=INT --kill-after=60 "$suite_limit" "$@" >"$log" 2>&1 </dev/null || status=$?
    count_report "$suite" "$report" "$status" "$log"
}

# count_report SUITE REPORT STATUS LOG: what a runner that ended with STATUS has written.
count_report() {
    local suite=$1 report=$2 status=$3 log=$4 counted=(0 0 0)
    [[ ! -s $report ]] ||
        read -r -a counted < <("$python" "$repository/scripts/lib/junit_counts.py" "$report")
    if [[ ${counted[1]} -eq 0 && ($status -ne 0 || ${counted[0]} -eq 0) ]]; then
        counted[1]=1
    fi
    passed=$((passed + counted[0]))
    failed=$((failed + counted[1]))
    skipped=$((skipped + counted[2]))
    [[ ${counted[1]} -eq 0 ]] || show_failure "$suite" "$log"
}
