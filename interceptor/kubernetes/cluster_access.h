// ClusterAccess: where the Kubernetes API is and with what one gets in. Made from the service
// account of the pod that this runs in, or from a kubeconfig (kubeconfig.h).
//
// What is in files stays there: it is read again when a connection is made, so that certificates
// and tokens can be replaced while the process runs.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace fsm {

// A text that is in a file, or known already; both empty: there is none.
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
    // Whatever certificate the server shows is accepted. For tests of a cluster, on demand only.
    bool skip_verification = false;
    Credential client_certificate;  // PEM, with the certificates up to the authority
    Credential client_key;          // PEM
    Credential token;

    // "[fd00::1]:6443"
    std::string host_and_port() const;
    // "https://[fd00::1]:6443/prefix"
    std::string url() const;
};

// From KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and the files token and ca.crt of
// `directory`, which is where the kubelet puts them. An Error: this does not run in a pod.
Result<ClusterAccess> in_cluster_access(
    const std::string& directory = "/var/run/secrets/kubernetes.io/serviceaccount");

}  // namespace fsm
