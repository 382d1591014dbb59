# shellcheck shell=bash
# What reads the sources without running them.
# shellcheck disable=SC2154  # of the script that sources this

run_shellcheck() {
    (
        cd "$repository" || exit
        grep --recursive --files-with-matches --null --extended-regexp \
            '^#!.*\b(ba|)sh\b|^# shellcheck shell=' --exclude-dir=build --exclude-dir=.git . |
            xargs --null shellcheck --external-sources
    )
}

run_clang_format() {
    find "$repository" -path "$repository/build" -prune -o -path '*/.git' -prune -o \
        \( -name '*.cpp' -o -name '*.h' -o -name '*.c' \) -print0 |
        xargs --null clang-format --dry-run --Werror
}

# The product's C++; the BPF programs have a compiler of their own.
run_clang_tidy() {
    jq -r '.[].file' "$repository/build/release/compile_commands.json" |
        grep --extended-regexp "^$repository/(common|interceptor|cni-plugin|cli)/.*\.cpp\$" | sort -u |
        xargs --max-procs="$(nproc)" --max-args=2 \
            clang-tidy --quiet --warnings-as-errors='*' -p "$repository/build/release"
}
