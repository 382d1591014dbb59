{{/* The one name of everything: the DaemonSet watches itself under it. */}}
{{- define "fsm.name" -}}
fsm-interceptor
{{- end }}

{{- define "fsm.meshName" -}}
{{ .Values.fsm.meshName | default .Release.Name }}
{{- end }}

{{/* ebpf, iptables or none, from the two places where it may be said. */}}
{{- define "fsm.mode" -}}
{{- $top := .Values.trafficInterceptionMode }}
{{- $inner := .Values.fsm.trafficInterceptionMode }}
{{- if and $top $inner (ne $top $inner) }}
{{- fail (printf "trafficInterceptionMode is %s and fsm.trafficInterceptionMode is %s: they mean the same; set one of them" $top $inner) }}
{{- end }}
{{- $top | default $inner | default "ebpf" }}
{{- end }}

{{- define "fsm.image" -}}
{{- $image := .Values.fsm.image }}
{{- $registry := $image.registry | trimSuffix "/" }}
{{- $name := $image.name.fsmInterceptor }}
{{- if $registry }}{{ $name = printf "%s/%s" $registry $name }}{{ end }}
{{- with $image.digest.fsmInterceptor }}
{{- printf "%s@%s" $name . }}
{{- else }}
{{- printf "%s:%s" $name ($image.tag | default $.Chart.AppVersion | toString) }}
{{- end }}
{{- end }}

{{- define "fsm.selectorLabels" -}}
app: {{ include "fsm.name" . }}
meshName: {{ include "fsm.meshName" . | quote }}
{{- end }}

{{- define "fsm.labels" -}}
{{ include "fsm.selectorLabels" . }}
app.kubernetes.io/name: {{ include "fsm.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: fsm
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The node's CNI directories by platform, as a JSON object: bin, config. */}}
{{- define "fsm.cni.directories" -}}
{{- $bin := "/opt/cni/bin" }}
{{- $config := "/etc/cni/net.d" }}
{{- $platform := .Values.fsm.cni.platform }}
{{- if eq $platform "k3s" }}
{{- $bin = "/var/lib/rancher/k3s/data/cni" }}
{{- $config = "/var/lib/rancher/k3s/agent/etc/cni/net.d" }}
{{- else if eq $platform "k3d" }}
{{- $bin = "/var/lib/rancher/k3s/data/cni" }}
{{- $config = "/var/lib/rancher/k3s/agent/etc/cni/net.d" }}
{{- else if eq $platform "microk8s" }}
{{- $bin = "/var/snap/microk8s/current/opt/cni/bin" }}
{{- $config = "/var/snap/microk8s/current/args/cni-network" }}
{{- else if eq $platform "gke" }}
{{- $bin = "/home/kubernetes/bin" }}
{{- else if eq $platform "openshift" }}
{{- $bin = "/var/lib/cni/bin" }}
{{- $config = "/etc/cni/multus/net.d" }}
{{- end }}
{{- dict "bin" (.Values.fsm.cni.binDir | default $bin) "config" (.Values.fsm.cni.configDir | default $config) | toJson }}
{{- end }}

{{/* The pod tolerates the taint that it is to remove, whatever else it tolerates. */}}
{{- define "fsm.tolerations" -}}
{{- $tolerations := .tolerations }}
{{- with .nodeTaint }}
{{- $tolerations = append $tolerations (dict "key" . "operator" "Exists") }}
{{- end }}
{{- with $tolerations }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* Priority classes that some platforms allow only where a quota is for them. */}}
{{- define "fsm.needsQuota" -}}
{{- $class := .Values.fsm.fsmInterceptor.priorityClassName }}
{{- if and (eq .Values.fsm.cni.platform "gke") (hasPrefix "system-" $class) (ne .Release.Namespace "kube-system") }}true{{ end }}
{{- end }}

{{- define "fsm.seLinuxOptions" -}}
{{- $given := .Values.fsm.fsmInterceptor.seLinuxOptions }}
{{- if and (not $given) (eq .Values.fsm.cni.platform "openshift") }}
{{- $given = dict "type" "spc_t" }}
{{- end }}
{{- with $given }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* The interceptor's own configuration: docs/configuration.md has its keys. */}}
{{- define "fsm.config" -}}
{{- $fsm := .Values.fsm }}
{{- $interceptor := $fsm.fsmInterceptor -}}
socket: /host/var/run/fsm-cni.sock
stateDirectory: /host/var/run/fsm
bpffs: /sys/fs/bpf
mountBpffs: false
bpfName: {{ $fsm.bpfName | quote }}
{{- if $fsm.hostPaths.cgroup }}
cgroup: /host/cgroup
{{- end }}
proc: /host/proc
hostVarRun: /host/var/run
profile: {{ $fsm.meshProfile }}
{{- if eq $fsm.meshProfile "custom" }}
profilesDirectory: /etc/fsm/profiles
{{- end }}
podSource:
  kubernetes:
    allNodes: {{ $interceptor.kindMode }}
    {{- with $interceptor.nodeTaint }}
    nodeTaint: {{ . | quote }}
    {{- end }}
podLookupTimeout: {{ $fsm.podLookupTimeout }}
unknownPods: {{ $fsm.unknownPods }}
trafficInterceptionMode: {{ include "fsm.mode" . }}
inbound: {{ $fsm.inbound }}
acceleration: {{ $fsm.acceleration | quote }}
{{- range $list := list "outboundPortExclusionList" "inboundPortExclusionList" "outboundIPRangeExclusionList" "outboundIPRangeInclusionList" "networkInterfaceExclusionList" }}
{{ $list }}: {{ index $fsm $list | toJson }}
{{- end }}
{{- range $limit, $value := $fsm.limits }}
{{ $limit }}: {{ int64 $value }}
{{- end }}
logLevel: {{ ternary "debug" $fsm.logLevel $interceptor.debug | quote }}
{{- with $fsm.logLevels }}
logLevels: {{ . | toJson }}
{{- end }}
logFormat: {{ $fsm.logFormat }}
kernelTracing: {{ $interceptor.kernelTracing }}
programStatistics: {{ $interceptor.programStatistics }}
{{- with int $interceptor.metricsPort }}
metricsAddress: {{ printf ":%d" . | quote }}
{{- end }}
cni:
  install: {{ $interceptor.cniMode }}
  binDir: /host/opt/cni/bin
  configDir: /host/etc/cni/net.d
  {{- with $fsm.cni.configuration }}
  configuration: {{ . | quote }}
  {{- end }}
  plugin: /app/fsm-cni
  hostSocket: {{ printf "%s/fsm-cni.sock" $fsm.hostPaths.varRun | quote }}
  excludeNamespaces: {{ append $fsm.cni.excludeNamespaces .Release.Namespace | uniq | toJson }}
{{- end }}

{{/* Where a Prometheus that discovers pods by annotation finds the metrics, when they have a port. */}}
{{- define "fsm.scrapeAnnotations" -}}
{{- with int . }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ . | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- end }}
