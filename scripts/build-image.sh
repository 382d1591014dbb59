#!/usr/bin/env bash
# Builds the interceptor's image out of this machine's build, without any registry, and writes it to a
# file that every runtime imports (docker-archive).
#
#   scripts/build-image.sh [--name NAME:TAG] [--output FILE] [--build FOLDER]
#                          [--root FOLDER] [--architecture ARCH --sysroot FOLDER]
#
#   --name     default: localhost/fsm-interceptor:<version of the project>
#   --output   default: build/fsm-interceptor.tar
#   --build    a folder with the programs; without it the release preset is built first
#   --architecture, --sysroot    for a build for another architecture (scripts/image-root.sh)
#   --root     an image that is laid out already, by scripts/image-root.sh
#
# An output whose name ends in .oci.tar is an OCI archive.
#
#   ctr --namespace k8s.io images import build/fsm-interceptor.tar    # containerd
#   podman load --input build/fsm-interceptor.tar                     # podman, docker
#
# The same input gives the same image. Where buildah is missing it is installed (Debian).
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/common.sh"

name='' output='' build_folder='' architecture='' sysroot='' laid_out=''

main() {
    read_arguments "$@"
    local version
    version=$(sed -n 's/^project(fsm VERSION \([0-9.]*\).*/\1/p' "$repository/CMakeLists.txt")
    name=${name:-localhost/fsm-interceptor:$version}
    output=${output:-$repository/build/fsm-interceptor.tar}
    command -v buildah >/dev/null || "$repository/scripts/install-packages.sh" image
    if [[ -z $build_folder && -z $laid_out ]]; then
        build release fsm-interceptor fsm-cni
        build_folder=$repository/build/release
    fi

    clean_up_on_exit
    work=$(mktemp --directory)
    on_exit rm -rf "$work"
    if [[ -n $laid_out ]]; then
        cp -a "$laid_out" "$work/root"
    else
        "$repository/scripts/image-root.sh" "$build_folder" "$work/root" ${sysroot:+"$sysroot"}
    fi
    mkdir -p "$(dirname "$output")"
    make_image >"$work/log" 2>&1 || {
        tail -n 20 "$work/log" >&2
        die "buildah could not make the image (above)"
    }
    printf '%s: %s in %s (%s)\n' "$program" "$name" "$output" "$(du -h "$output" | cut -f1)"
}

read_arguments() {
    while [[ $# -gt 0 ]]; do
        case $1 in
            --name | --output | --build | --architecture | --sysroot | --root)
                [[ -n ${2:-} ]] || die "$1 needs a value"
                ;;&
            --name) name=$2 ;;
            --output) output=$(realpath --canonicalize-missing "$2") ;;
            --build) build_folder=$(realpath --canonicalize-missing "$2") ;;
            --architecture) architecture=$2 ;;
            --sysroot) sysroot=$(realpath --canonicalize-missing "$2") ;;
            --root) laid_out=$(realpath --canonicalize-missing "$2") ;;
            *) die "unknown argument '$1'; see the head of this script" ;;
        esac
        shift 2
    done
}

# buildah with a storage of its own: the machine's images are not touched. vfs and chroot need no
# feature of the kernel, and nothing is run in the container.
buildah_here() {
    local command=$1
    shift
    BUILDAH_ISOLATION=chroot buildah --root "$work/storage" --runroot "$work/run" \
        --storage-driver vfs "$command" "$@"
}

make_image() {
    local container
    container=$(buildah_here from ${architecture:+--arch="$architecture"} scratch) || return
    find "$work/root" -exec touch --no-dereference --date=@0 {} + || return
    buildah_here copy --quiet "$container" "$work/root/" / || return
    buildah_here config --entrypoint '["/app/fsm-interceptor"]' --cmd '' --user 0 \
        ${architecture:+--arch "$architecture"} --env PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        --label org.opencontainers.image.title=fsm-interceptor \
        --label org.opencontainers.image.licenses='Apache-2.0 AND GPL-2.0-only' "$container" || return
    rm -f "$output"
    local target=docker-archive:$output:$name
    [[ $output != *.oci.tar ]] || target=oci:$work/oci:$name
    buildah_here commit --quiet --format oci --timestamp 0 "$container" "$target" || return
    buildah_here rm "$container"
    [[ $output != *.oci.tar ]] || archive "$work/oci" "$output"
}

main "$@"
