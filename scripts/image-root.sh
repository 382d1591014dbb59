#!/usr/bin/env bash
# Creates the file tree of the interceptor's image, for both ways to build it
# (scripts/build-image.sh and the Dockerfile).
#
#   scripts/image-root.sh BUILD_FOLDER TARGET_FOLDER
#
# The programs of the build, the shared libraries that they load, and iptables for the interception
# mode of that name. No shell, no package manager.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/common.sh"

main() {
    [[ $# -eq 2 ]] || die "usage: $0 BUILD_FOLDER TARGET_FOLDER"
    local build=$1 root=$2
    [[ -x $build/interceptor/fsm-interceptor && -x $build/cni-plugin/fsm-cni ]] ||
        die "no fsm-interceptor and fsm-cni in $build: build them first (cmake --build --preset release)"
    [[ ! -e $root ]] || die "$root already exists: name a new folder"

    mkdir -p "$root"/{app,etc/fsm,host,proc,run,sys,tmp,usr/share/doc/fsm,var}
    ln -s ../run "$root/var/run"
    program_file "$root" "$build/interceptor/fsm-interceptor" /app/fsm-interceptor
    program_file "$root" "$build/cni-plugin/fsm-cni" /app/fsm-cni
    iptables_files "$root"
    install -m 644 "$repository/LICENSE" "$root/usr/share/doc/fsm/LICENSE"
    install -m 644 "$repository/bpf/LICENSE" "$root/usr/share/doc/fsm/LICENSE.bpf"
    printf 'root:x:0:0:root:/:/sbin/nologin\n' >"$root/etc/passwd"
    printf 'root:x:0:\n' >"$root/etc/group"
    printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
    chmod 1777 "$root/tmp"
}

# program_file ROOT FILE PATH: installs a program without its symbols, and the libraries that it
# loads.
program_file() {
    local root=$1 file=$2 path=$3
    mkdir -p "$root$(dirname "$path")"
    strip --strip-unneeded -o "$root$path" "$file"
    chmod 755 "$root$path"
    libraries "$root" "$file"
}

# libraries ROOT FILE…: installs them under the names by which the loader finds them.
libraries() {
    local root=$1 library
    shift
    while read -r library; do
        [[ -e $root$library ]] || install -D -m 755 "$library" "$root$library"
    done < <(ldd "$@" 2>/dev/null | sed -n 's/^\t[^/]*\(\/[^ ]*\) (0x.*/\1/p' | sort -u)
}

# iptables loads its matches and targets from the folder that its library was built for.
iptables_files() {
    local root=$1 kind name extensions
    for kind in nft legacy; do
        program_file "$root" "$(command -v "xtables-$kind-multi" || echo "/usr/sbin/xtables-$kind-multi")" \
            "/usr/sbin/xtables-$kind-multi"
        for name in iptables ip6tables; do
            link_commands "$root" "$kind" "$name" "xtables-$kind-multi"
        done
    done
    extensions=$(dirname "$(find /usr/lib -name libxt_standard.so -print -quit)")
    mkdir -p "$root$extensions"
    cp --no-dereference --preserve=mode "$extensions"/lib{xt,ipt,ip6t}_*.so "$root$extensions/"
    libraries "$root" "$extensions"/lib{xt,ipt,ip6t}_*.so
}

# iptables, -save and -restore; the name without a kind is the nf_tables one, as in Debian.
link_commands() {
    local root=$1 kind=$2 name=$3 target=$4 verb
    for verb in '' -save -restore; do
        ln -s "$target" "$root/usr/sbin/$name-$kind$verb"
        [[ $kind != nft ]] || ln -s "$target" "$root/usr/sbin/$name$verb"
    done
}

main "$@"
