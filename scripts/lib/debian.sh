# shellcheck shell=bash
# Packages of any Debian suite and architecture, unpacked into a folder: nothing is installed, and apt's
# sources, lists and architectures on this machine stay as they are. Needs common.sh.

# Another mirror: FSM_DEBIAN_MIRROR=http://…/debian, FSM_DEBIAN_SECURITY=http://…/debian-security
readonly debian_mirror=${FSM_DEBIAN_MIRROR:-http://deb.debian.org/debian}
readonly debian_security=${FSM_DEBIAN_SECURITY:-http://deb.debian.org/debian-security}
readonly debian_keys=/usr/share/keyrings/debian-archive-keyring.gpg
# shellcheck disable=SC2154  # common.sh has it
readonly debian_folder=$repository/build/debian

# debian_open ARCHITECTURE SUITE[,SUITE…]: what the functions below speak of from here on. The lists are
# loaded once a day.
debian_open() {
    debian_architecture=$1
    local suites=${2//,/ } suite
    debian_root=$debian_folder/$1-${2//,/-}
    local stamp=$debian_root/updated
    mkdir -p "$debian_root"/{lists/partial,cache/archives/partial,parts}
    : >"$debian_root/status"
    for suite in $suites; do
        debian_sources "$suite"
    done >"$debian_root/sources.list"
    debian_configuration >"$debian_root/apt.conf"
    [[ -z $(find "$stamp" -mmin -1440 2>/dev/null) ]] || return 0
    debian_apt apt-get -qq update >"$debian_root/log" 2>&1 ||
        die "the package lists of $1, $2 could not be loaded: $(tail -n 3 "$debian_root/log")"
    touch "$stamp"
}

debian_sources() {
    local suite=$1
    printf 'deb [signed-by=%s] %s %s main\n' "$debian_keys" "$debian_mirror" "$suite"
    case $suite in
        *-backports | sid) return ;;
    esac
    printf 'deb [signed-by=%s] %s %s-updates main\n' "$debian_keys" "$debian_mirror" "$suite"
    printf 'deb [signed-by=%s] %s %s-security main\n' "$debian_keys" "$debian_security" "$suite"
}

# The pin makes the highest version the one that is taken: backports would come after all else.
debian_configuration() {
    printf 'Package: *\nPin: release a=*\nPin-Priority: 500\n' >"$debian_root/preferences"
    cat <<EOF
APT::Architecture "$debian_architecture";
APT::Architectures { "$debian_architecture"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::Etc::sourcelist "$debian_root/sources.list";
Dir::Etc::sourceparts "$debian_root/parts";
Dir::Etc::preferences "$debian_root/preferences";
Dir::Etc::preferencesparts "$debian_root/parts";
Dir::State::lists "$debian_root/lists";
Dir::State::status "$debian_root/status";
Dir::Cache "$debian_root/cache";
EOF
}

debian_apt() {
    APT_CONFIG=$debian_root/apt.conf "$@"
}

# debian_field PACKAGE FIELD: of the version that would be installed.
debian_field() {
    debian_apt apt-cache show --no-all-versions "$1" 2>/dev/null | sed -n "s/^$2: //p" | head -n 1
}

# debian_unpack TARGET PACKAGE…: these packages alone.
debian_unpack() {
    local target=$1 folder
    shift
    folder=$(mktemp --directory)
    (cd "$folder" && debian_apt apt-get -qq download "$@") >"$debian_root/log" 2>&1 ||
        die "apt-get could not load $*: $(tail -n 3 "$debian_root/log")"
    debian_extract "$target" "$folder"/*.deb
    rm -rf "$folder"
}

# debian_unpack_all TARGET PACKAGE…: with all that they depend on. Says in TARGET/var/lib/fsm/packages
# what was unpacked, "package version source file" a line.
debian_unpack_all() {
    local target=$1 archive archives=()
    shift
    rm -f "$debian_root"/cache/archives/*.deb
    debian_apt apt-get -qq --yes --download-only install "$@" >"$debian_root/log" 2>&1 </dev/null ||
        die "apt-get could not load $*: $(tail -n 3 "$debian_root/log")"
    archives=("$debian_root"/cache/archives/*.deb)
    debian_extract "$target" "${archives[@]}"
    rm -f "${archives[@]}"
}

debian_extract() {
    local target=$1 archive
    shift
    mkdir -p "$target/var/lib/fsm"
    for archive in "$@"; do
        dpkg-deb --extract "$archive" "$target"
        # shellcheck disable=SC2016  # dpkg's own variables
        dpkg-deb --show --showformat '${Package} ${Version} ${source:Package}\n' "$archive" |
            debian_owned "$archive" >>"$target/var/lib/fsm/packages"
    done
}

# debian_owned ARCHIVE < LINE: the line, once for each file of the package.
debian_owned() {
    local archive=$1 package version source
    read -r package version source
    dpkg-deb --fsys-tarfile "$archive" | tar --list | sed -n "s|^\.\(/.*[^/]\)\$|$package $version $source \1|p"
}
