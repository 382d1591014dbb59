#!/usr/bin/env bash
# Runs the kernel's share of the tests on Debian's own kernel in an emulated machine, whatever kernel
# this machine has: every test of the BPF programs, and tests with pods that are network namespaces.
#
#   test/debian-kernel/run.sh [PYTEST-EXPRESSION]    pods: which tests of test/netns, as for pytest -k
#
# Needs the release build of the programs, and the packages of the group `debian-kernel`; takes about
# ten minutes, for there is no hardware virtualisation. The kernel is linux-image-cloud-amd64 of the
# package sources of this machine. Reports are left in build/debian-kernel/{bpf,netns}.xml.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/../../scripts/lib/common.sh"

readonly work=$repository/build/debian-kernel
readonly root=$work/root
readonly build=$repository/build/release
readonly here=$repository/test/debian-kernel
readonly time_limit=1500
# Of the tests with pods, those of every kind of interception; what counts connections by the ten
# thousand takes too long here.
readonly default_tests="test_requests or test_policy or test_sidecar_down or test_tc_flows"

# Debian's kernel has these as modules. In this order, dependencies included.
readonly modules=(veth bridge dummy sch_ingress cls_bpf cls_u32 tcp_diag inet_diag tls
    iptable_nat ip6table_nat xt_REDIRECT xt_owner)
# Programs that the tests call, beside busybox.
readonly programs=(/bin/bash /bin/dash /sbin/ip /sbin/tc /sbin/bpftool /bin/ss /usr/bin/nsenter
    /usr/sbin/sysctl /bin/mount /bin/umount /bin/ps /usr/bin/curl /usr/sbin/haproxy
    /usr/bin/python3 /usr/sbin/conntrack /usr/sbin/xtables-nft-multi)

main() {
    local tests=${1:-$default_tests}
    rm -rf "$root"
    mkdir -p "$work" "$root"/{bin,dev,etc,lib64,mods,proc,root,run,sys,tmp,usr/bin,usr/lib,usr/sbin,var}
    fetch_kernel
    add_modules
    add_programs
    add_tests
    printf '%s\n' "$tests" >"$root/etc/tests"
    install -m 755 "$here/init" "$root/init"
    pack
    boot
    reports
}

# The newest kernel package is unpacked, not installed.
fetch_kernel() {
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
    [[ -n $package ]] || die "apt knows no linux-image-cloud-amd64: apt-get update"
    version=${package#linux-image-}
    [[ ! -e $work/kernel/boot/vmlinuz-$version ]] || return 0
    rm -rf "$work/kernel" && mkdir -p "$work/kernel"
    (cd "$work/kernel" && apt-get -qq download "$package" && dpkg -x "$package"_*.deb .) 2>&1 |
        grep -v unsandboxed || true
    [[ -e $work/kernel/boot/vmlinuz-$version ]] || die "$package could not be loaded with apt-get"
    depmod -b "$work/kernel" "$version"
}

add_modules() {
    local number=10 file
    while read -r file; do
        cp "$file" "$root/mods/$number-$(basename "$file")"
        number=$((number + 1))
    done < <(modprobe -d "$work/kernel" -S "$version" --show-depends -a "${modules[@]}" |
        awk '/^insmod/ && !seen[$2]++ {print $2}')
}

# put FILE [DESTINATION]: a program and the libraries that it is linked with.
put() {
    local file=$1 to=${2:-$1} library
    install -D "$(readlink -f "$file")" "$root$to"
    while read -r library; do
        [[ -e $root$library ]] || install -D "$library" "$root$library"
    done < <(ldd "$file" 2>/dev/null | grep -oE '/[^ ]+')
}

add_programs() {
    local each directory library
    # Its shell would call its own ip and tc; the tests mean the real ones.
    put /bin/busybox
    put /bin/dash /bin/sh
    for each in "${programs[@]}"; do
        put "$each"
    done
    for directory in /usr/lib/python3 /usr/lib/python3.*; do
        cp -a "$directory" "$root/usr/lib/"
    done
    rm -rf "$root"/usr/lib/python3.*/{test,idlelib,ensurepip,config-*}
    while read -r library; do
        put "$library"
    done < <(find /usr/lib/python3.*/lib-dynload -name '*.so')
    cp /etc/passwd /etc/group /etc/nsswitch.conf "$root/etc/"
    ln -s /run "$root/var/run"
}

add_tests() {
    local each
    mkdir -p "$root/fsm"
    cp -a "$repository/test" "$repository/profiles" "$root/fsm/"
    for each in interceptor/fsm-interceptor cni-plugin/fsm-cni test/bpf/fsm_bpf_test \
        test/bin/{relay,stream,probe}; do
        [[ -x $build/$each ]] || die "$build/$each is not built: cmake --preset release"
        put "$build/$each" "/fsm/build/$each"
    done
}

pack() {
    (cd "$root" && find . | cpio --create --format=newc --quiet) | gzip -1 >"$work/initrd.gz"
}

# The guest talks to the serial line only; what it says is shown as it comes.
boot() {
    timeout "$time_limit" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 \
        -nographic -no-reboot -net none -kernel "$work/kernel/boot/vmlinuz-$version" \
        -initrd "$work/initrd.gz" -append "console=ttyS0 panic=-1 quiet mitigations=off" \
        </dev/null | sed -u 's/\r$//' | tee "$work/console.log" | sed -u '/^=====BEGIN/,/^=====END/d' ||
        die "the emulated machine did not end by itself within $time_limit s: $work/console.log"
}

# The guest prints its reports between two lines each.
reports() {
    local name
    for name in bpf netns; do
        sed -n "/^=====BEGIN $name\$/,/^=====END $name\$/{//!p}" "$work/console.log" |
            base64 --decode >"$work/$name.xml"
        [[ -s $work/$name.xml ]] || die "the emulated machine gave no report of $name"
    done
}

main "$@"
