#!/usr/bin/env bash
# Runs the tests: all of them, or the suites that are named. Builds what they need.
#
#   scripts/test.sh [SUITE…]
#   scripts/test.sh kernels [KERNEL…]    names of test/kernels/matrix; without one: all of them
#   scripts/test.sh --list      what there is, with the suites that run only when they are named
#
# The last line says `N passed, N failed`, with `, N skipped` when a test was skipped; the exit status
# is 0 only if nothing failed. What is left on the machine after the tests counts as a failure.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/common.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/beside.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/counting.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/leaks.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/lint.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/tools.sh"

readonly suites=(
    lint unit bpf cni cli chart release interceptor metrics transparency e2e netns demo kubernetes
)
# These take minutes of both processors of a small machine, and say the same wherever they run.
readonly named_only=(tidy fuzz races races-netns kernels)
declare -rA about=(
    [lint]="shellcheck, clang-format and the rules of CONTRIBUTING over the sources"
    [tidy]="on request: clang-tidy over the product"
    [fuzz]="on request: every fuzzer for a minute, or for FUZZ_SECONDS"
    [races]="on request: what has threads, by itself, with ThreadSanitizer"
    [races-netns]="on request: a part of netns with ThreadSanitizer"
    [unit]="every library by itself, with AddressSanitizer and UndefinedBehaviorSanitizer"
    [bpf]="the BPF programs, loaded into this kernel"
    [netns]="interceptor and data path with pods that are network namespaces"
    [interceptor]="the daemon from outside: socket, configuration, commands, uninstall"
    [metrics]="rules, dashboard and names, by a real Prometheus that scrapes a real interceptor"
    [cni]="the plugin: verbs, versions, errors, many pods at once"
    [cli]="fsm against a helm and a kubectl that fail, and with a real helm"
    [chart]="every profile, mode and platform; refused values; rights; manifests in step"
    [release]="what a user downloads, for amd64: unpacked, checked, made twice"
    [transparency]="what four processes observe, under iptables and under us, line by line"
    [e2e]="pods started by podman through the real CNI chain"
    [demo]="scripts/demo.sh, in less than three minutes"
    [kubernetes]="what an operator installs, in a real cluster of two nodes on this machine"
    [kernels]="on request: bpf and a part of netns on Debian's own kernels, in an emulated machine"
)
readonly demo_limit=180
readonly logs=$repository/build/test-logs
readonly python=/usr/bin/python3
# What the tests in Python run.
export FSM_BUILD_DIR=$repository/build/release

main() {
    local chosen=("$@") suite
    if [[ ${1:-} == --list ]]; then
        for suite in "${suites[@]}" "${named_only[@]}"; do
            printf '%-14s %s\n' "$suite" "${about[$suite]}"
        done
        return
    fi
    [[ $# -gt 0 ]] || chosen=("${suites[@]}")
    [[ ${1:-} != kernels ]] || choose_kernels "${@:2}"
    for suite in "${chosen[@]}"; do
        [[ -n ${about[$suite]:-} ]] || die "there is no suite '$suite'; there are: ${suites[*]} ${named_only[*]}"
    done

    need_root
    "$repository/scripts/install-packages.sh"
    mkdir -p "$logs"
    trap end_beside EXIT
    local before
    before=$(system_state)
    for suite in "${chosen[@]}"; do
        run_suite "$suite"
        [[ $suite != bpf ]] || begin_beside "${chosen[@]}"
    done
    check_leaks "$before"
    summary
}

run_suite() {
    local suite=$1 started=$SECONDS was_passed=$passed was_failed=$failed was_skipped=$skipped
    printf '%s%-14s%s %s\n' "$bold" "$suite" "$plain" "${about[$suite]}"
    "suite_$suite"
    printf '%-14s %s passed, %s failed, %s skipped (%s s)\n' '' $((passed - was_passed)) \
        $((failed - was_failed)) $((skipped - was_skipped)) $((SECONDS - started))
}

summary() {
    local skipped_too=''
    [[ $skipped -eq 0 ]] || skipped_too=", $skipped skipped"
    printf '%s passed, %s failed%s\n' "$passed" "$failed" "$skipped_too"
    [[ $failed -eq 0 ]]
}

# --- building -----------------------------------------------------------------------------------

# built PRESET: builds once what the suites run; a build that fails is one failed test of each suite that
# needs it.
readonly programs="fsm-interceptor fsm-cni fsm relay stream probe"
readonly unit_tests="fsm_common_test fsm_health_test fsm_pod_test fsm_kubernetes_test fsm_sync_test fsm_iptables_test fsm_api_test fsm_cni_test fsm_install_test fsm_client_test"
declare -rA targets_of=(
    [release]="$programs fsm_bpf_test"
    [arm64]="$programs fsm_bpf_test"
    [debug]=$unit_tests
    # Those of the libraries that start threads.
    [threads]="fsm_health_test fsm_kubernetes_test fsm_sync_test fsm_api_test fsm_install_test"
    [fuzz]=fuzzers
)
declare -A build_state=()
built() {
    if [[ -z ${build_state[$1]:-} ]]; then
        build_state[$1]=failed
        local targets
        read -r -a targets <<<"${targets_of[$1]}"
        ! build "$1" "${targets[@]}" || build_state[$1]=ready
    fi
    [[ ${build_state[$1]} == ready ]] && return
    failed=$((failed + 1))
    return 1
}

ctest_suite() {
    local label=$1 preset=$2
    built "$preset" || return 0
    reported_tests "$label" "$logs/$label.xml" ctest --test-dir "$repository/build/$preset" \
        --label-regex "^$label\$" --no-tests=error --output-on-failure --timeout 300 \
        --parallel "$3" --output-junit "$logs/$label.xml"
}

# pytest_suite SUITE [OPTION…]: the folder test/SUITE.
pytest_suite() {
    built release || return 0
    reported_tests "$1" "$logs/$1.xml" "${pytest[@]}" "test/$1" "${@:2}" --junitxml "$logs/$1.xml"
}
readonly pytest=(env --chdir="$repository" PYTHONDONTWRITEBYTECODE=1
    "$python" -m pytest -q -p no:cacheprovider)

# --- the suites ---------------------------------------------------------------------------------

suite_unit() { ctest_suite unit debug "$(nproc)"; }
# One at a time: these attach to the one root of the cgroup tree.
suite_bpf() { ctest_suite bpf release 1; }
suite_netns() {
    built release || return 0
    local status=0
    [[ -n ${beside[netns]:-} ]] || begin_netns
    finish_beside netns || status=$?
    count_report netns "$logs/netns.xml" "$status" "$logs/netns.log"
}
begin_netns() {
    rm -f "$logs/netns.xml"
    local envoy
    envoy=$(envoy_of_the_tests)
    ENVOY=$envoy run_beside netns "$logs/netns.log" timeout --signal=INT --kill-after=60 "$suite_limit" \
        "${pytest[@]}" test/netns --junitxml "$logs/netns.xml"
}

# Each is empty where there is none: the tests that need it are skipped, and counted as that.
envoy_of_the_tests() {
    find_envoy || printf '%s: tests that need Envoy are skipped\n' "$program" >&2
}
helm_of_the_tests() {
    find_helm || printf '%s: tests that need helm are skipped\n' "$program" >&2
}

suite_cni() { pytest_suite cni "--fsm-cni=$repository/build/release/cni-plugin/fsm-cni"; }
suite_cli() {
    pytest_suite cli "--helm=$(helm_of_the_tests)" "--fsm=$repository/build/release/cli/fsm"
}
suite_chart() {
    pytest_suite chart "--helm=$(helm_of_the_tests)" \
        "--fsm-interceptor=$repository/build/release/interceptor/fsm-interceptor"
}
suite_interceptor() {
    pytest_suite interceptor \
        "--fsm-interceptor=$repository/build/release/interceptor/fsm-interceptor"
}
suite_metrics() { pytest_suite metrics; }
suite_release() { pytest_suite release; }
suite_transparency() { pytest_suite transparency; }
suite_e2e() { pytest_suite e2e; }

suite_demo() {
    built release || return 0
    one_test demo timeout --signal=INT --kill-after=60 "$demo_limit" \
        "$repository/scripts/demo.sh" --no-build
}

suite_kubernetes() {
    built release || return 0
    local status=0
    if ! has_cgroups_of_nodes; then
        skip_suite "the nodes need version 1 of the memory controller, and version 2 in 'unified'"
        return
    fi
    [[ -n ${beside[kubernetes]:-} ]] || begin_kubernetes
    finish_beside kubernetes || status=$?
    case $status in
        0) pytest_suite kubernetes ;;
        77) skip_suite "$(tail -n 1 "$logs/kubernetes-build.log")" ;;
        *)
            failed=$((failed + 1))
            show_failure kubernetes "$logs/kubernetes-build.log"
            ;;
    esac
}

has_cgroups_of_nodes() {
    [[ -d /sys/fs/cgroup/memory && -d /sys/fs/cgroup/unified ]]
}

begin_kubernetes() {
    run_beside kubernetes "$logs/kubernetes-build.log" idle build_kubernetes
}

build_kubernetes() {
    "$repository/scripts/install-packages.sh" kubernetes image
    "$repository/test/kubernetes/build.sh"
}

# ThreadSanitizer wants its addresses where they always are, and is a thread itself: a process with it
# cannot enter a user namespace. It makes the memory of the interceptor many times what it is.
suite_races() {
    wait_for_build threads
    built threads || return 0
    with_thread_sanitizer ctest --test-dir "$repository/build/threads" --label-regex '^unit$' \
        --exclude-regex 'UserNamespace|_NOT_BUILT' --no-tests=error --output-on-failure --timeout 300 \
        --parallel "$(nproc)" --output-junit "$logs/races.xml"
}

suite_races-netns() {
    local -x FSM_BUILD_DIR=$repository/build/threads
    local threads
    read -r -a threads <<<"$programs"
    if ! build threads "${threads[@]}"; then
        failed=$((failed + 1))
        return
    fi
    with_thread_sanitizer "${pytest[@]}" test/netns/test_{add,pod_lifecycle,running_pods,modes}.py \
        -k 'not in_memory' --junitxml "$logs/races.xml"
}

# with_thread_sanitizer COMMAND…: which writes races.xml. A race that was seen is a failure even if every
# test passed.
with_thread_sanitizer() {
    local -x TSAN_OPTIONS="log_path=$logs/race suppressions=$repository/test/unit/races.supp"
    rm -f "$logs"/race.*
    reported_tests races "$logs/races.xml" setarch --addr-no-randomize "$@"
    one_test no-race no_race_was_seen
}

no_race_was_seen() {
    ! cat "$logs"/race.[0-9]* 2>/dev/null | grep .
}

suite_fuzz() {
    local status=0 log=$logs/fuzz.log failures
    [[ -n ${beside[fuzz]:-} ]] || begin_fuzz
    finish_beside fuzz || status=$?
    failures=$(grep --count '^[a-z_]* *failed ' "$log") || true
    passed=$((passed + $(grep --count '^[a-z_]* *passed: ' "$log" || true)))
    [[ $status -eq 0 || $failures -gt 0 ]] || failures=1
    failed=$((failed + failures))
    [[ $failures -eq 0 ]] || show_failure fuzz "$log"
}

# begin_fuzz [WRAPPER]: the build is in the same process, so that it can be idle, too.
begin_fuzz() {
    run_beside fuzz "$logs/fuzz.log" "$@" "$repository/scripts/fuzz.sh" \
        --seconds "${FUZZ_SECONDS:-60}"
}

# choose_kernels [KERNEL…]: what follows the suite's name are kernels, not suites.
kernels=()
choose_kernels() {
    chosen=(kernels)
    kernels=("$@")
    [[ $# -gt 0 ]] || mapfile -t kernels < <("$repository/test/kernels/run.sh" --list)
}

# The results go into the table of docs/kernels.md, too.
suite_kernels() {
    local kernel
    "$repository/scripts/install-packages.sh" kernels
    [[ ${#kernels[@]} -gt 0 ]] || choose_kernels
    for kernel in "${kernels[@]}"; do
        run_kernel "$kernel"
    done
    "$python" "$repository/test/kernels/table.py" "$repository/build/kernels" \
        "$repository/test/kernels/matrix" "$repository/docs/kernels.md"
}

run_kernel() {
    local part status=0 log=$logs/kernel-$1.log reports=$repository/build/kernels/$1
    if grep --quiet --extended-regexp "^$1 +arm64 " "$repository/test/kernels/matrix"; then
        "$repository/scripts/install-packages.sh" cross
        "$repository/scripts/sysroot.sh" arm64
        built arm64 || return 0
    else
        built release || return 0
    fi
    rm -f "$reports"/{bpf,netns}.xml
    "$repository/test/kernels/run.sh" "$1" >"$log" 2>&1 </dev/null || status=$?
    for part in bpf netns; do
        count_report "kernel $1, $part" "$reports/$part.xml" "$status" "$log"
    done
}

# skip_suite REASON: a whole suite counts as one skipped test.
skip_suite() {
    skipped=$((skipped + 1))
    printf '%-14s skipped: %s\n' '' "$1"
}

suite_lint() {
    one_test shellcheck run_shellcheck
    one_test clang-format run_clang_format
    one_test style env PYTHONDONTWRITEBYTECODE=1 "$python" "$repository/scripts/lib/style.py"
    reported_tests lint "$logs/lint.xml" "${pytest[@]}" test/lint --junitxml "$logs/lint.xml"
}

suite_tidy() {
    local status=0
    built release || return 0
    [[ -n ${beside[tidy]:-} ]] || begin_tidy
    finish_beside tidy || status=$?
    one_test clang-tidy [ "$status" -eq 0 ]
    [[ $status -eq 0 ]] || show_failure clang-tidy "$logs/tidy.log"
}
begin_tidy() {
    run_beside tidy "$logs/tidy.log" "$@" run_clang_tidy
}

# --- beside the others --------------------------------------------------------------------------

# The tests with pods mostly wait, and each has a node of its own; Kubernetes takes as long to build as the
# product; what only computes takes what is left of the processors. They begin when nothing is left that
# has the cgroup tree for itself, and run beside the other suites. The demo waits for netns: it looks
# whether anything of ours is left on the machine.
begin_beside() {
    local wanted=" $* "
    if [[ $wanted == *' netns '* ]] && built release; then
        begin_netns
    fi
    if [[ $wanted == *' kubernetes '* ]] && has_cgroups_of_nodes; then
        begin_kubernetes
    fi
    if [[ $wanted == *' tidy '* ]] && built release; then
        begin_tidy idle
    fi
    [[ $wanted != *' fuzz '* ]] || begin_fuzz idle
    [[ $wanted != *' races '* ]] || begin_build threads
}

# A build whose suite comes later. Its failure is found again, and shown, by built().
begin_build() {
    local targets
    read -r -a targets <<<"${targets_of[$1]}"
    run_beside "build-$1" "$logs/build-$1.log" idle build "$1" "${targets[@]}"
}
wait_for_build() {
    [[ -z ${beside[build-$1]:-} ]] || finish_beside "build-$1" || true
}

check_leaks() {
    local left
    left=$(new_since "$1")
    left+=$(gone_since "$1" | sed 's/^/missing: /')
    if [[ -z $left ]]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    printf '%sleft behind by the tests, or taken away:%s\n%s\n' "$red" "$plain" "$left"
}

main "$@"
