// The installer's options.
#pragma once

#include <string>
#include <vector>

namespace fsm {

struct InstallOptions {
    bool enabled = false;
    // Paths as this process sees them: in a container, where the host's directories are mounted.
    std::string bin_dir = "/host/opt/cni/bin";
    std::string config_dir = "/host/etc/cni/net.d";
    std::string plugin = "/app/fsm-cni";  // the binary that is copied
    // The file, or the name of the network, whose chain gets the entry. Empty: the first one that a
    // runtime can use.
    std::string configuration;
    // Paths as the plugin sees them, on the host.
    std::string host_socket = "/var/run/fsm-cni.sock";
    std::string host_state_directory = "/var/run/fsm";
    // Namespaces whose pods pass without a request; the interceptor's own must be among them.
    std::vector<std::string> excluded_namespaces = {"fsm-system"};

    bool operator==(const InstallOptions&) const = default;
};

// Our entry in the chain, as JSON.
std::string chain_entry(const InstallOptions& options);

}  // namespace fsm
