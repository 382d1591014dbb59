#!/usr/bin/env bash
# Makes what a user downloads, for each architecture:
#
#   fsm-VERSION-linux-ARCH.tar.gz            fsm, fsm-interceptor, fsm-cni, chart, manifests, profiles, documents
#   fsm-VERSION-linux-ARCH-debug.tar.gz      their debug information
#   fsm-interceptor-VERSION-linux-ARCH.oci.tar    the image, an OCI archive
#   fsm-VERSION-linux-ARCH.spdx.json         the list of parts (SBOM) of both
#   SHA256SUMS
#
#   scripts/release.sh [--output FOLDER] [ARCH…]     default: build/release-files; amd64 arm64
#
# The same sources and packages give the same bytes. SOURCE_DATE_EPOCH is the time of everything in the archives;
# without it, that of the last commit counts.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/common.sh"

readonly python=/usr/bin/python3
# Program, and where a build has it.
readonly -A programs=([fsm]=cli/fsm [fsm-interceptor]=interceptor/fsm-interceptor [fsm-cni]=cni-plugin/fsm-cni)
# The libraries that fsm-interceptor loads are of this Debian.
readonly contents=(charts manifests profiles docs README.md CHANGELOG.md LICENSE)

output=$repository/build/release-files

main() {
    local architectures=() architecture
    while [[ $# -gt 0 ]]; do
        case $1 in
            --output)
                [[ -n ${2:-} ]] || die "--output needs a value"
                output=$(realpath --canonicalize-missing "$2")
                shift
                ;;
            amd64 | arm64) architectures+=("$1") ;;
            *) die "unknown argument '$1'; see the head of this script" ;;
        esac
        shift
    done
    [[ ${#architectures[@]} -gt 0 ]] || architectures=(amd64 arm64)
    version=$(sed -n 's/^project(fsm VERSION \([0-9.]*\).*/\1/p' "$repository/CMakeLists.txt")
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$repository" log -1 --format=%ct 2>/dev/null)} ||
        die "no SOURCE_DATE_EPOCH, and no commit in $repository to take the time of"
    export SOURCE_DATE_EPOCH
    "$repository/scripts/install-packages.sh" image

    clean_up_on_exit
    work=$(mktemp --directory)
    on_exit rm -rf "$work"
    mkdir -p "$output"
    for architecture in "${architectures[@]}"; do
        release "$architecture"
    done
    (cd "$output" && sha256sum fsm-* | LC_ALL=C sort --key=2) >"$work/sums"
    mv "$work/sums" "$output/SHA256SUMS"
    (cd "$output" && du --apparent-size --human-readable -- fsm-*)
}

release() {
    local architecture=$1
    local name=fsm-$version-linux-$architecture image=fsm-interceptor-$version-linux-$architecture.oci.tar
    build_for "$architecture"
    programs_to "$work/$name" "$work/$name-debug"
    (cd "$repository" && cp --recursive --parents "${contents[@]}" "$work/$name/")
    cp "$repository/bpf/LICENSE" "$work/$name/LICENSE.bpf"
    compress "$name"
    compress "$name-debug"
    "$repository/scripts/image-root.sh" "$build" "$work/image-$architecture" ${sysroot:+"$sysroot"}
    "$repository/scripts/build-image.sh" --root "$work/image-$architecture" --architecture "$architecture" \
        --name "localhost/fsm-interceptor:$version" --output "$output/$image" >&2
    list_of_parts "$architecture" "$name" >"$work/sbom"
    mv "$work/sbom" "$output/$name.spdx.json"
}

# build_for ARCH: sets build, sysroot and objcopy.
build_for() {
    local preset
    case $1 in
        amd64) preset=release sysroot='' objcopy=x86_64-linux-gnu-objcopy ;;
        arm64)
            preset=arm64 sysroot=$repository/build/sysroot-arm64 objcopy=aarch64-linux-gnu-objcopy
            "$repository/scripts/install-packages.sh" cross
            "$repository/scripts/sysroot.sh" arm64
            ;;
    esac
    build=$repository/build/$preset
    build "$preset" "${!programs[@]}"
}

# programs_to FOLDER DEBUG_FOLDER: each program, and its debug information under its own name and under that of
# its build, where debuggers look for it.
programs_to() {
    local folder=$1 debug=$2 each file id
    mkdir -p "$folder" "$debug/.build-id"
    for each in "${!programs[@]}"; do
        file=$build/${programs[$each]}
        # fsm-cni has been parted from its own when it was linked.
        "$objcopy" --only-keep-debug "$([[ -e $file.debug ]] && echo "$file.debug" || echo "$file")" \
            "$debug/$each.debug"
        (cd "$debug" && "$objcopy" --strip-all --add-gnu-debuglink="$each.debug" "$file" "$folder/$each")
        chmod 644 "$debug/$each.debug"
        id=$(readelf --notes "$file" | sed -n 's/.*Build ID: //p')
        [[ -n $id ]] || die "$file has no build ID"
        mkdir -p "$debug/.build-id/${id:0:2}"
        ln -s "../../$each.debug" "$debug/.build-id/${id:0:2}/${id:2}.debug"
    done
}

compress() {
    archive "$work" "$work/$1.tar" "$1"
    gzip --no-name --best <"$work/$1.tar" >"$output/$1.tar.gz"
}

list_of_parts() {
    local architecture=$1 name=$2 each files=()
    for each in "${!programs[@]}"; do
        files+=("$each=$work/$name/$each")
    done
    "$python" "$repository/scripts/lib/sbom.py" --name "$name" --version "$version" \
        --architecture "$architecture" --epoch "$SOURCE_DATE_EPOCH" --build "$build" \
        ${sysroot:+--sysroot "$sysroot"} --image "$work/image-$architecture" "${files[@]}"
}

main "$@"
