# shellcheck shell=bash
# Used by every script: messages, colours, clean-up in reverse order, and the build.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly repository
program=$(basename "$0" .sh)
readonly program

# shellcheck disable=SC2034  # used by those who source this file
bold='' dim='' red='' green='' plain=''
# shellcheck disable=SC2034
if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
fi

die() {
    printf '%s%s: %s%s\n' "$red" "$program" "$*" "$plain" >&2
    exit 1
}

need_root() {
    [[ $EUID -eq 0 ]] || die "network namespaces and BPF need root: sudo $0"
}

# on_exit COMMAND ARGUMENT…: registers a clean-up step; steps run in reverse order. A step may find
# its work already done; a step that fails is reported, and the next ones still run.
cleanup_steps=()
cleanup_failed=
on_exit() {
    cleanup_steps+=("$(printf '%q ' "$@")")
}

run_cleanup() {
    local index step
    for ((index = ${#cleanup_steps[@]} - 1; index >= 0; index--)); do
        step=${cleanup_steps[index]}
        eval "$step" && continue
        printf '%s: this step of the clean-up failed: %s\n' "$program" "$step" >&2
        cleanup_failed=yes
    done
    cleanup_steps=()
}

# On Ctrl-C the shell also exits through EXIT, and a second Ctrl-C cannot interrupt a clean-up that
# is in progress.
finish() {
    local status=$?
    trap '' INT TERM HUP
    trap - EXIT
    run_cleanup
    [[ -z $cleanup_failed || $status -ne 0 ]] || status=1
    exit "$status"
}

clean_up_on_exit() {
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}

# stop_process PID: sends SIGTERM, waits three seconds, then kills. Only for processes that this
# script started.
stop_process() {
    local pid=$1 attempt
    kill "$pid" 2>/dev/null || return 0
    for ((attempt = 0; attempt < 30; attempt++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}

# wait_until SECONDS WHAT COMMAND…: polls the command; on failure, prints WHAT.
wait_until() {
    local seconds=$1 what=$2 attempt
    shift 2
    for ((attempt = 0; attempt < seconds * 20; attempt++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    printf '%s: gave up after %s s: waited for %s\n' "$program" "$seconds" "$what" >&2
    return 1
}

# archive FOLDER OUTPUT [NAME…]: the same files give the same bytes, on every machine and day.
archive() {
    local folder=$1 output=$2
    shift 2
    [[ $# -gt 0 ]] || set -- .
    tar --create --sort=name --format=ustar --mtime="@${SOURCE_DATE_EPOCH:-0}" --owner=0 --group=0 \
        --numeric-owner --mode=u=rwX,go=rX --directory "$folder" --file "$output" "$@"
}

# build PRESET TARGET…: quiet unless it fails; then the end of the compiler's words is shown.
build() {
    local preset=$1 log
    shift
    mkdir -p "$repository/build"
    log=$repository/build/$preset.log
    (
        cd "$repository"
        cmake --preset "$preset" && cmake --build --preset "$preset" ${1:+--target "$@"}
    ) >"$log" 2>&1 </dev/null || {
        tail -n 40 "$log" >&2
        printf '%s: the %s build failed; the log is %s\n' "$program" "$preset" "$log" >&2
        return 1
    }
}
