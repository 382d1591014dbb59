#!/usr/bin/env bash
# Creates the file tree of the interceptor's image, for both ways to build it
# (scripts/build-image.sh and the Dockerfile).
#
#   scripts/image-root.sh BUILD_FOLDER TARGET_FOLDER [SYSROOT]
#
# SYSROOT has the libraries and iptables (scripts/sysroot.sh), for a build for another architecture than this
# machine's.
# The programs of the build, the shared libraries that they load, and iptables for the interception
# mode of that name. No shell, no package manager.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/common.sh"

main() {
    [[ $# -eq 2 || $# -eq 3 ]] || die "usage: $0 BUILD_FOLDER TARGET_FOLDER [SYSROOT]"
    local build=$1 root=$2
    sysroot=${3:-}
    [[ -x $build/interceptor/fsm-interceptor && -x $build/cni-plugin/fsm-cni ]] ||
        die "no fsm-interceptor and fsm-cni in $build: build them first (cmake --build --preset release)"
    tools_of "$build/cni-plugin/fsm-cni"
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
    "$strip" --strip-unneeded -o "$root$path" "$file"
    chmod 755 "$root$path"
    libraries "$root" "$file"
}

# tools_of PROGRAM: for its architecture.
tools_of() {
    case $(readelf --file-header "$1") in
        *X86-64*) triple=x86_64-linux-gnu ;;
        *AArch64*) triple=aarch64-linux-gnu ;;
        *) die "$1 is of an architecture that no image is made for" ;;
    esac
    strip=$triple-strip
}

# libraries ROOT FILE…: with those that they need in turn, under the names by which the loader looks for them.
libraries() {
    local root=$1 name library
    shift
    while read -r name; do
        library=$(library_path "$name") || die "$name, which one of $* needs, is nowhere below '$sysroot/'"
        [[ ! -e $root$library ]] || continue
        install -D -m 755 "$sysroot$library" "$root$library"
        libraries "$root" "$sysroot$library"
    done < <({
        readelf --dynamic "$@" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p'
        readelf --program-headers "$@" | sed -n 's/.*program interpreter: \(.*\)\]$/\1/p'
    } 2>/dev/null | grep -v '^ld-linux' | sort -u)
}

# library_path NAME: where the loader finds it; the name of the loader is a path.
library_path() {
    local folder
    for folder in /lib/$triple /usr/lib/$triple /lib /usr/lib ''; do
        if [[ -e $sysroot$folder/${1#/} ]]; then
            printf '%s\n' "$folder/${1#/}"
            return
        fi
    done
    return 1
}

# iptables loads its matches and targets from the folder that its library was built for.
iptables_files() {
    local root=$1 kind name extensions
    for kind in nft legacy; do
        program_file "$root" "$sysroot/usr/sbin/xtables-$kind-multi" "/usr/sbin/xtables-$kind-multi"
        for name in iptables ip6tables; do
            link_commands "$root" "$kind" "$name" "xtables-$kind-multi"
        done
    done
    extensions=/usr/lib/$triple/xtables
    mkdir -p "$root$extensions"
    cp --no-dereference --preserve=mode "$sysroot$extensions"/lib{xt,ipt,ip6t}_*.so "$root$extensions/"
    libraries "$root" "$sysroot$extensions"/lib{xt,ipt,ip6t}_*.so
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
