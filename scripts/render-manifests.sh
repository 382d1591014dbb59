#!/usr/bin/env bash
# Renders the chart as plain manifests for `kubectl apply`: prints manifests/fsm.yaml. Arguments are
# passed to helm, for other values.
#
#   scripts/render-manifests.sh >manifests/fsm.yaml
#   scripts/render-manifests.sh --set fsm.meshProfile=istio | kubectl apply --filename -
set -euo pipefail

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/common.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib/tools.sh"

main() {
    local helm
    helm=$(find_helm) || die "helm is needed to render the chart (above)"
    cat <<'NAMESPACE'
# The chart with its default values, for `kubectl apply`: made by scripts/render-manifests.sh.
apiVersion: v1
kind: Namespace
metadata:
  name: fsm-system
  labels:
    # The interceptor has capabilities and mounts of the host: charts/fsm/README.md lists them.
    pod-security.kubernetes.io/enforce: privileged
NAMESPACE
    "$helm" template fsm "$repository/charts/fsm" --namespace fsm-system --skip-tests \
        --kube-version 1.34.0 "$@" |
        sed 's|^\( *app.kubernetes.io/managed-by: \)Helm$|\1kubectl|'
}

main "$@"
