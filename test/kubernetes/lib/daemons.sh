# shellcheck shell=bash
# The daemons of a node. Each is started only if it does not run: `up.sh` restarts what was killed.
# shellcheck disable=SC2154  # settings.sh assigns it
: "${here:?source settings.sh first}"

start_daemons() {
    [[ $number != 1 ]] || start_api
    daemon containerd /usr/bin/containerd --config "$state/etc/containerd.toml"
    wait_for 20 in_node ctr version
    import_images
    [[ $number != 1 ]] || start_control_plane
    daemon kubelet kubelet --config "$state/etc/kubelet.yaml" \
        --kubeconfig "$state/etc/kubelet.kubeconfig" --hostname-override "$node" \
        --node-ip "$node_ip,$node_ip6"
    daemon kube-proxy kube-proxy --config "$state/etc/proxy.yaml"
}

# daemon NAME PROGRAM ARGUMENT…: in the node, in its own session and cgroup.
daemon() {
    local name=$1 file
    shift
    file=$(in_node cat "/run/services/$name.pid" 2>/dev/null) &&
        in_node kill -0 "$file" 2>/dev/null && return
    in_node setsid --fork "$here/lib/daemon.sh" "$node" "$name" "$state/log/$name.log" "$@" 9>&-
}

start_api() {
    daemon etcd etcd --data-dir "$state/etcd" --listen-client-urls http://127.0.0.1:2379 \
        --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 \
        --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster default=http://127.0.0.1:2380 --unsafe-no-fsync --log-level warn
    daemon kube-apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 \
        --advertise-address "$node_ip" --secure-port 6443 --allow-privileged --profiling=false \
        --service-cluster-ip-range "$services_cidr,$services_cidr6" \
        --client-ca-file "$pki/ca.crt" --tls-cert-file "$pki/apiserver.crt" \
        --tls-private-key-file "$pki/apiserver.key" \
        --kubelet-client-certificate "$pki/apiserver-kubelet.crt" \
        --kubelet-client-key "$pki/apiserver-kubelet.key" \
        --kubelet-certificate-authority "$pki/ca.crt" \
        --kubelet-preferred-address-types InternalIP \
        --service-account-issuer "https://kubernetes.default.svc.$domain" \
        --service-account-key-file "$pki/sa.pub" --service-account-signing-key-file "$pki/sa.key" \
        --requestheader-client-ca-file "$pki/ca.crt" \
        --requestheader-allowed-names front-proxy-client \
        --requestheader-username-headers X-Remote-User \
        --requestheader-group-headers X-Remote-Group \
        --requestheader-extra-headers-prefix X-Remote-Extra- \
        --proxy-client-cert-file "$pki/front-proxy.crt" \
        --proxy-client-key-file "$pki/front-proxy.key" --enable-aggregator-routing \
        --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction
}

# With the default of 20 requests per second the controllers alone would take five seconds to start.
start_control_plane() {
    wait_for 30 kubectl get --raw /readyz
    daemon kube-controller-manager kube-controller-manager \
        --kubeconfig "$state/etc/controller-manager.kubeconfig" --leader-elect=false \
        --service-account-private-key-file "$pki/sa.key" --root-ca-file "$pki/ca.crt" \
        --use-service-account-credentials --cluster-cidr "$pods_cidr,$pods_cidr6" \
        --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
        --flex-volume-plugin-dir /var/lib/kubelet/volume-plugins --profiling=false \
        --kube-api-qps 500 --kube-api-burst 500
    daemon kube-scheduler kube-scheduler --kubeconfig "$state/etc/scheduler.kubeconfig" \
        --leader-elect=false --profiling=false --kube-api-qps 200 --kube-api-burst 400
    daemon cluster-dns cluster-dns --kubeconfig "$KUBECONFIG" --listen "$control_ip:53"
}

# Imports only images that the node lacks by name: import a rebuilt one by hand.
import_images() {
    local archive name have
    have=$(in_node ctr --namespace k8s.io images ls --quiet)
    for archive in "$FSM_K8S"/images/*.tar; do
        name=$(tar --extract --to-stdout --file "$archive" manifest.json | jq -r '.[0].RepoTags[0]')
        grep -qxF "$name" <<<"$have" ||
            in_node ctr --namespace k8s.io images import "$archive" >/dev/null
    done
}
