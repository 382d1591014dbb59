#!/usr/bin/env bash
# Unpacks what the product is linked with for another architecture into build/sysroot-ARCH, for the CMake
# preset of that name. Nothing is installed, and the machine's package database stays as it is.
#
#   scripts/sysroot.sh arm64
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/common.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/debian.sh"

main() {
    [[ $# -eq 1 && $1 == arm64 ]] || die "usage: $0 arm64"
    local architecture=$1 suite packages key
    local target=$repository/build/sysroot-$architecture
    mapfile -t packages < <("$repository/scripts/install-packages.sh" --list sysroot)
    # shellcheck source=/dev/null
    suite=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
    key="$suite ${packages[*]}"
    [[ $(cat "$target/var/lib/fsm/key" 2>/dev/null) != "$key" ]] || return 0
    rm -rf "$target"
    debian_open "$architecture" "$suite"
    debian_unpack_all "$target" "${packages[@]}"
    make_links_relative "$target"
    printf '%s\n' "$key" >"$target/var/lib/fsm/key"
}

# A link to /lib/… would lead to this machine's libraries.
make_links_relative() {
    local root=$1 link target
    while read -r link; do
        target=$(readlink "$link")
        ln --symbolic --force --no-dereference --relative "$root$target" "$link"
    done < <(find "$root" -type l -lname '/*')
}

main "$@"
