#!/usr/bin/env bash
# Runs the kernel's share of the tests on Debian's own kernels in an emulated machine, whatever kernel
# this machine has: every test of the BPF programs, tests with pods that are network namespaces, and what
# the interceptor finds out about the kernel.
#
#   test/kernels/run.sh KERNEL [PART…]               a name of test/kernels/matrix; --list prints them.
#                                                    Parts: capabilities bpf netns; without one: all
#   FSM_KERNEL_TESTS='test_requests and tc' …        which tests of test/netns, as for pytest -k
#
# Needs the build of the programs for the kernel's architecture (presets release and arm64), and the packages
# of the group `kernels`; takes ten minutes and more, for there is no hardware virtualisation. Kernel and
# guest are unpacked from Debian's packages. The results are left in build/kernels/KERNEL.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/../../scripts/lib/common.sh"
# shellcheck source-path=SCRIPTDIR
source "$repository/scripts/lib/debian.sh"

readonly here=$repository/test/kernels
readonly time_limit=${FSM_KERNEL_TIME_LIMIT:-3600}
# Of the tests with pods, those of every kind of interception; what counts connections by the ten
# thousand takes too long here.
readonly tests=${FSM_KERNEL_TESTS:-test_requests or test_policy or test_tc_flows
    or test_from_one_mode_to_the_other_and_back}
# What the tests call, beside busybox.
readonly guest_packages=(busybox bash dash kmod iproute2 bpftool iptables conntrack procps util-linux
    mount curl haproxy python3 python3-pytest python3-yaml)
readonly kernel_folders=(net crypto lib arch drivers/net/{veth,dummy,bonding,tun,macvlan})

main() {
    if [[ ${1:-} == --list ]]; then
        names
        return
    fi
    [[ $# -gt 0 ]] || die "usage: $0 KERNEL [PART…]; there are:" "$(names_in_a_line)"
    read_matrix "$1"
    choose_parts "${@:2}"
    work=$repository/build/kernels/$1
    root=$work/root
    rm -rf "$root" "${reports[@]/#/$work/}"
    mkdir -p "$work"
    fetch_kernel
    guest
    modules
    tests_and_programs
    (cd "$root" && find . | cpio --create --format=newc --quiet) >"$work/initrd"
    rm -rf "$root"
    boot
    results
}

# choose_parts [PART…]: sets parts, and the files that the guest hands out.
choose_parts() {
    local part
    parts=("$@")
    [[ $# -gt 0 ]] || parts=(capabilities bpf netns)
    reports=(kernel.txt)
    for part in "${parts[@]}"; do
        case $part in
            capabilities) reports+=(capabilities.json) ;;
            bpf | netns) reports+=("$part.xml") ;;
            *) die "there is no part '$part'; there are: capabilities bpf netns" ;;
        esac
    done
}

names() {
    sed -n 's/^\([^# ][^ ]*\) .*/\1/p' "$here/matrix"
}

names_in_a_line() {
    names | paste --serial --delimiters=' '
}

read_matrix() {
    read -r architecture suites package < <(
        awk -v name="$1" '$1 == name {print $2, $3, $4}' "$here/matrix") ||
        die "there is no kernel '$1' in test/kernels/matrix; there are:" "$(names_in_a_line)"
    case $architecture in
        amd64) build=$repository/build/release machine=x86_64 strip=strip ;;
        arm64) build=$repository/build/arm64 machine=aarch64 strip=aarch64-linux-gnu-strip ;;
    esac
}

# The package only depends on the one of the newest version. Up to 6.12 that has the kernel and its modules;
# later it refers to linux-base-*, linux-binary-* and linux-modules-*, and the kernel lies in the folder of the
# modules.
fetch_kernel() {
    local image packages=()
    debian_open "$architecture" "$suites"
    image=$(debian_field "$package" Depends | grep -oE 'linux-image-[^ ,]+' | head -n 1) ||
        die "no kernel for $package among $suites"
    version=${image#linux-image-}
    kernel=$work/kernel-$version
    if [[ ! -e $kernel/unpacked ]]; then
        mapfile -t packages < <(debian_field "$image" Depends |
            grep -oE 'linux-(base|binary|modules)-[^ ,]+' | sort -u)
        rm -rf "$work"/kernel-*
        debian_unpack "$kernel" "$image" "${packages[@]}"
    fi
    kernel_modules=$(find "$kernel" -type d -path "*/lib/modules/$version" -print -quit)
    kernel_image=$(find "$kernel" -type f \( -name "vmlinuz-$version" -o -path "*/modules/$version/vmlinuz" \) \
        -print -quit)
    [[ -n $kernel_modules && -n $kernel_image ]] || die "no kernel and modules in $kernel: $image ${packages[*]}"
    touch "$kernel/unpacked"
}

# The guest is the Debian that the programs are built for, with the libraries that they are linked with.
guest() {
    local suite packages=()
    # shellcheck source=/dev/null
    suite=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
    mapfile -t packages < <(printf '%s\n' "${guest_packages[@]}"; libraries)
    debian_open "$architecture" "$suite"
    local base=$repository/build/kernels/guest-$architecture
    local key="${packages[*]}"
    if [[ $(cat "$base/var/lib/fsm/key" 2>/dev/null) != "$key" ]]; then
        rm -rf "$base"
        debian_unpack_all "$base" "${packages[@]}"
        rm -rf "$base"/usr/share/{doc,man,locale,info,lintian,bash-completion,vim} "$base/var/lib/fsm/packages"
        printf '%s\n' "$key" >"$base/var/lib/fsm/key"
    fi
    cp -a "$base" "$root"
    mkdir -p "$root"/{dev,etc,proc,root,run,sys,tmp,var}
    [[ -e $root/bin/sh ]] || ln -s dash "$root/bin/sh"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
    printf 'hosts: files\n' >"$root/etc/nsswitch.conf"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
    rm -rf "$root/var/run"
    ln -s /run "$root/var/run"
}

# The packages of this machine that have what the programs ask the loader for; of the other architecture
# they have the same names.
libraries() {
    local name
    readelf --dynamic "$build/interceptor/fsm-interceptor" "$build/test/bpf/fsm_bpf_test" |
        sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u | while read -r name; do
        dpkg-query --search "*/$name" 2>/dev/null | sed 's/:.*//' | grep -v -e '-cross$' || true
    done | sort -u
}

# The guest's kernel loads them itself, by modprobe.
modules() {
    local folder to=$root/lib/modules/$version
    mkdir -p "$to/kernel"
    find "$kernel" -name 'modules.[bo]*' -exec cp --target-directory="$to" {} +
    for folder in "${kernel_folders[@]}"; do
        (cd "$kernel_modules/kernel" && find "$folder"* -name '*.ko*' 2>/dev/null |
            cpio --pass-through --make-directories --quiet "$to/kernel")
    done
    rm -rf "$to"/kernel/net/{wireless,mac80211,bluetooth,nfc,can,sunrpc,ceph,rxrpc,batman-adv,tipc}
    depmod -b "$root" "$version"
}

tests_and_programs() {
    local each
    mkdir -p "$root/fsm/build"
    cp -a "$repository/test" "$repository/profiles" "$root/fsm/"
    for each in interceptor/fsm-interceptor cni-plugin/fsm-cni test/bpf/fsm_bpf_test \
        test/bin/{relay,stream,probe}; do
        [[ -x $build/$each ]] || die "$build/$each is not built: cmake --preset $(basename "$build")"
        mkdir -p "$(dirname "$root/fsm/build/$each")"
        "$strip" --strip-debug -o "$root/fsm/build/$each" "$build/$each"
    done
    printf '%s\n' "$tests" >"$root/etc/tests"
    printf '%s\n' "${parts[@]}" >"$root/etc/parts"
    install -m 755 "$here/init" "$root/init"
}

# The guest talks to the serial line only; what it says is shown as it comes.
boot() {
    local -A options=(
        [amd64]="-cpu max -append console=ttyS0"
        [arm64]="-machine virt -cpu cortex-a57 -append console=ttyAMA0"
    )
    local of_machine
    read -r -a of_machine <<<"${options[$architecture]}"
    of_machine[-1]+=" mitigations=off panic=-1 quiet"
    timeout "$time_limit" "qemu-system-$machine" -accel tcg,thread=multi "${of_machine[@]}" -smp 2 -m 3072 \
        -nographic -no-reboot -net none -kernel "$kernel_image" -initrd "$work/initrd" </dev/null |
        sed -u 's/\r$//' | tee "$work/console.log" | sed -u '/^=====BEGIN/,/^=====END/d' ||
        printf '%s: the emulated machine did not end by itself within %s s\n' "$program" "$time_limit" >&2
    rm -f "$work/initrd"
}

# The guest prints each of its reports between two lines. What there is is kept, even if others are missing.
results() {
    local name missing=()
    for name in "${reports[@]}"; do
        if grep -q "^=====END $name\$" "$work/console.log"; then
            sed -n "/^=====BEGIN $name\$/,/^=====END $name\$/{//!p}" "$work/console.log" |
                base64 --decode >"$work/$name"
        fi
        [[ -s $work/$name ]] || missing+=("$name")
    done
    [[ ${#missing[@]} -eq 0 ]] || die "the emulated machine gave no ${missing[*]}: $work/console.log"
}

main "$@"
