# shellcheck shell=bash
# The configuration files of a node's daemons.
# shellcheck disable=SC2154  # settings.sh assigns it
: "${here:?source settings.sh first}"

write_configuration() {
    put "$state/etc/containerd.toml" < <(containerd_configuration)
    put "$state/etc/kubelet.yaml" < <(kubelet_configuration)
    put "$state/etc/proxy.yaml" < <(proxy_configuration)
    : >>"$state/etc/resolv.conf"
    [[ -s $state/root/etc/cni/net.d/10-bridge.conflist ]] || write_network
}

# put FILE: writes only changes. kube-proxy ends when its file is written, even with the same
# content.
put() {
    local text
    text=$(cat)
    [[ -f $1 && $text == "$(cat "$1")" ]] || printf '%s\n' "$text" >"$1"
}

# The runtime "bare" creates the same containers with the CNI configuration of another folder, to
# compare the start of a pod with and without the plugin on one node. oom_score: a machine that is
# itself a container may not lower the score of its processes.
containerd_configuration() {
    cat <<TOML
version = 2
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        BinaryName = "$here/runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.bare]
      runtime_type = "io.containerd.runc.v2"
      cni_conf_dir = "/etc/cni/bare.d"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.bare.options]
        SystemdCgroup = false
        BinaryName = "$here/runc"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
TOML
}

kubelet_configuration() {
    cat <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $pki/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $pki/$node.crt
tlsPrivateKeyFile: $pki/$node.key
cgroupDriver: cgroupfs
cgroupRoot: /$node
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
maxOpenFiles: 20000
maxPods: 200
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
clusterDNS: [$control_ip]
clusterDomain: $domain
resolvConf: $state/etc/resolv.conf
volumePluginDir: /var/lib/kubelet/volume-plugins
serializeImagePulls: false
kubeAPIQPS: 200
kubeAPIBurst: 400
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
evictionHard:
  {memory.available: 100Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}
YAML
}

# conntrack: a network namespace cannot set the limits, and kube-proxy ends when it fails to.
proxy_configuration() {
    cat <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $state/etc/proxy.kubeconfig}
mode: iptables
clusterCIDR: "$pods_cidr,$pods_cidr6"
hostnameOverride: $node
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 200ms, syncPeriod: 30s}
YAML
}

# Renamed into place: the runtime reads the file as soon as it appears.
write_network() {
    local file=$state/root/etc/cni/net.d/10-bridge.conflist
    cp -n /usr/lib/cni/* "$state/root/opt/cni/bin/"
    cat >"$file.new" <<CONFLIST
{
  "cniVersion": "1.0.0",
  "name": "bridge",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "$pod_cidr"}], [{"subnet": "$pod_cidr6"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
CONFLIST
    mv "$file.new" "$file"
}
