#!/usr/bin/env bash
# Installs missing Debian packages. Quiet, and done in milliseconds if none is missing.
#
#   scripts/install-packages.sh [GROUP…]     groups: build run test image kubernetes cross kernels;
#                                            without one: the first four; what needs the others
#                                            installs them
#   scripts/install-packages.sh --list       prints the packages, one a line, and installs nothing
set -euo pipefail

readonly build_packages=(
    g++ cmake ninja-build pkg-config ccache
    clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev linux-libc-dev
    libcpp-httplib-dev nlohmann-json3-dev libyaml-cpp-dev libspdlog-dev libfmt-dev libcli11-dev libssl-dev
    prometheus-cpp-dev libgtest-dev libgmock-dev
)
readonly run_packages=(
    podman runc conmon containernetworking-plugins
    haproxy nginx-light curl iproute2 iptables conntrack procps util-linux jq
)
readonly test_packages=(
    python3 python3-pytest python3-yaml gdb git
    clang-format clang-tidy libclang-rt-14-dev shellcheck prometheus
)
# The test cluster; Kubernetes itself comes from Go modules.
readonly kubernetes_packages=(
    containerd runc containernetworking-plugins busybox gcc libc6-dev openssl
    iptables conntrack iproute2 procps util-linux
)
# For an architecture that the product is cross-built for: what it is linked with, and what its image has; and
# the compiler.
readonly sysroot_packages=(
    libc6-dev libstdc++-12-dev linux-libc-dev libbpf-dev libelf-dev zlib1g-dev
    libcpp-httplib-dev nlohmann-json3-dev libyaml-cpp-dev libspdlog-dev libfmt-dev libcli11-dev libssl-dev
    prometheus-cpp-dev libgtest-dev libgmock-dev iptables
)
readonly cross_packages=(g++-aarch64-linux-gnu binutils-aarch64-linux-gnu)
# The emulated machines with Debian's kernels; what is in them is unpacked, not installed.
readonly kernels_packages=(qemu-system-x86 qemu-system-arm cpio kmod binutils debian-archive-keyring)

# image_contents: the packages from which files are copied into the image.
readonly image_contents=(iptables binutils)
readonly image_packages=(buildah "${image_contents[@]}")

die() {
    printf 'install-packages: %s\n' "$*" >&2
    exit 1
}

packages_of() {
    case "$1" in
        build) printf '%s\n' "${build_packages[@]}" ;;
        run) printf '%s\n' "${run_packages[@]}" ;;
        test) printf '%s\n' "${test_packages[@]}" ;;
        image) printf '%s\n' "${image_packages[@]}" ;;
        image-contents) printf '%s\n' "${image_contents[@]}" ;;
        kubernetes) printf '%s\n' "${kubernetes_packages[@]}" ;;
        sysroot) printf '%s\n' "${sysroot_packages[@]}" ;;
        cross) printf '%s\n' "${cross_packages[@]}" ;;
        kernels) printf '%s\n' "${kernels_packages[@]}" ;;
        *) die "no group of packages is called '$1'; there are:" \
            "build run test image image-contents kubernetes cross sysroot kernels" ;;
    esac
}

# dpkg-query checks the whole list at once; a package that it does not know is missing, too.
missing_of() {
    local installed
    installed=$(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p') || true
    printf '%s\n' "$@" | grep -vxF "$installed" || true
}

# Debian starts the services of installed packages; only the programs are wanted here, and not a web
# server or load balancer that takes port 80.
without_services() {
    local policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    "$@"
}

quiet_apt() {
    local log
    log=$(mktemp)
    if ! DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 </dev/null
    then
        tail -n 15 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

main() {
    local groups=("$@") wanted=() missing=() group
    local list_only=
    if [[ ${1:-} == --list ]]; then
        list_only=yes
        groups=("${@:2}")
    fi
    [[ ${#groups[@]} -gt 0 ]] || groups=(build run test image)
    for group in "${groups[@]}"; do
        packages_of "$group" >/dev/null
        mapfile -t -O "${#wanted[@]}" wanted < <(packages_of "$group")
    done
    if [[ -n $list_only ]]; then
        printf '%s\n' "${wanted[@]}" | sort -u
        return
    fi

    type dpkg-query apt-get >/dev/null 2>&1 ||
        die "this is not Debian (no dpkg and apt-get): install by hand what --list prints"
    mapfile -t missing < <(missing_of "${wanted[@]}")
    [[ ${#missing[@]} -gt 0 ]] || return 0
    [[ $EUID -eq 0 ]] || die "missing: ${missing[*]}; run as root to install them"

    printf 'Installing %d Debian packages: %s\n' "${#missing[@]}" "${missing[*]}"
    # Try with the existing package lists first, without apt-get update.
    if ! apt-get -qq --simulate install --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
        quiet_apt update ||
            die "apt-get update failed (above): is there a network, are /etc/apt's sources right?"
    fi
    without_services quiet_apt install --no-install-recommends "${missing[@]}" || {
        quiet_apt update &&
            without_services quiet_apt install --no-install-recommends "${missing[@]}"
    } || die "apt-get could not install (above): ${missing[*]}"
}

main "$@"
