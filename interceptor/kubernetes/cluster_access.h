// ClusterAccess: the address and the credentials of the Kubernetes API. Made from the service
// account of this pod, or from a kubeconfig (kubeconfig.h).
//
// Files are read again for each connection, so that certificates and tokens can be replaced while
// the process runs.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace fsm {

// A text, or the path of a file with it; both empty: there is none.
struct Credential {
    std::string file;
    std::string text;

    bool is_given() const { return !file.empty() || !text.empty(); }
    Result<std::string> read() const;
};

struct ClusterAccess {
    std::string host;  // a name or an address; an IPv6 address without brackets
    std::uint16_t port = 443;
    std::string path_prefix;      // before "/api": "" or "/k8s/clusters/c1"
    std::string tls_server_name;  // what the server's certificate must be for; empty: the host
    Credential authority;         // PEM; not given: the certificate authorities of the system
    // Accepts any certificate of the server. Only on request, for test clusters.
    bool skip_verification = false;
    Credential client_certificate;  // PEM, with the certificates up to the authority
    Credential client_key;          // PEM
    Credential token;

    // "[fd00::1]:6443"
    std::string host_and_port() const;
    // "https://[fd00::1]:6443/prefix"
    std::string url() const;
};

// From KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and the files token and ca.crt in
// `directory`, where the kubelet puts them. An Error if this process does not run in a pod.
Result<ClusterAccess> in_cluster_access(
    const std::string& directory = "/var/run/secrets/kubernetes.io/serviceaccount");

}  // namespace fsm
