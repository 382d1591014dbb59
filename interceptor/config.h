// Config: the interceptor's settings, from a YAML file and flags.
//
//   socket: /var/run/fsm-cni.sock       where fsm-cni finds the interceptor
//   stateDirectory: /var/run/fsm        attachments, deletion notes, the instance's lock
//   bpffs: /sys/fs/bpf, bpfName: fsm    pins live in <bpffs>/<bpfName>
//   mountBpffs: true                    false: the bpffs must exist (containers)
//   cgroup: ""                          cgroup2 to attach to; "" finds it
//   proc: /proc                         the host's processes
//   hostVarRun: /var/run                where the host's /var/run is found (containers)
//   profile: fsm, profilesDirectory     the mesh profile: <profilesDirectory>/<profile>.yaml, or a
//                                       built-in one
//   trafficInterceptionMode: ebpf|iptables|none
//   podSource: {directory: /etc/fsm/pods}, or
//   podSource: {kubernetes: {kubeconfig: "", node: "", allNodes: false, nodeTaint: ""}}
//                                       kubeconfig "": in-cluster; node "": from NODE_NAME
//   cni: {install: false, binDir, configDir, plugin, hostSocket, excludeNamespaces}
//                                       the plugin's binary and its entry in the runtime's chain
//   inbound: auto|sk_lookup|tc, acceleration: auto|off|sidecar|full
//   outboundPortExclusionList, inboundPortExclusionList, outboundIPRangeExclusionList,
//   outboundIPRangeInclusionList, networkInterfaceExclusionList: added to every pod's own lists
//   podLookupTimeout: 5s                how long ADD waits for an unknown pod
//   unknownPods: refuse|pass            ADD for a container that the source certainly lacks;
//                                       default: pass, with Kubernetes refuse
//   disabledFeatures: []                acceleration, inbound-sk_lookup, inbound-tc: not loaded
//   maxPods, maxPolicyEntries, maxConnections, unreadLimit (bytes)
//   metricsAddress: ""                  ADDRESS:PORT of /metrics; "": on the socket only
//   programStatistics: false            /metrics has the run time of the programs; costs each run
//   logLevel: trace|debug|info|warn|error|off, logLevels: {MODULE: LEVEL}, logFormat: text|json
//   kernelTracing: false
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/result.h"
#include "interceptor/api/tcp_listener.h"
#include "interceptor/datapath/options.h"
#include "interceptor/install/install_options.h"
#include "interceptor/interception_mode.h"
#include "interceptor/kubernetes/options.h"
#include "interceptor/log/log.h"
#include "interceptor/sync/enroller.h"

namespace fsm {

struct Config {
    std::string socket = "/var/run/fsm-cni.sock";
    std::string profile = "fsm";
    std::string profiles_directory;
    InterceptionMode mode = InterceptionMode::ebpf;
    std::string pod_directory = "/etc/fsm/pods";
    std::optional<KubernetesOptions> kubernetes;   // absent: pods come from pod_directory
    std::optional<UnknownPods> unknown_pods;       // absent: depends on the pod source
    std::optional<ListenAddress> metrics_address;  // absent: metrics on the socket only
    log::Level log_level = log::Level::info;
    std::map<log::Module, log::Level> log_levels;  // of modules with their own
    log::Format log_format = log::Format::text;
    DatapathOptions datapath;
    EnrollerOptions enroller;
    InstallOptions cni;

    Config();
    bool operator==(const Config&) const = default;
    // State directory, proc and run directory are used in several places.
    void set_state_directory(const std::string& directory);
    void set_proc(const std::string& directory);
    // With the values that depend on several settings.
    EnrollerOptions enroller_options() const;
    // `cni` with what follows from the other settings.
    InstallOptions install_options() const;
};

// Reads the file on top of `config`. Unknown keys, wrong types and bad values are errors that name
// file, line and key.
Result<void> read_config_file(const std::string& path, Config& config);

// "ebpf", "iptables", "none".
Result<InterceptionMode> parse_interception_mode(const std::string& text);

// "debug"; FSM's own words (disabled, fatal, panic, warning) are accepted, too.
Result<log::Level> parse_log_level(const std::string& text);

}  // namespace fsm
