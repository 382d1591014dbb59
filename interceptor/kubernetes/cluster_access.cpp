#include "interceptor/kubernetes/cluster_access.h"

#include <cstdlib>

#include "common/file.h"
#include "common/port.h"

namespace fsm {

namespace {

constexpr std::size_t kCredentialLimit = std::size_t{1} << 20;

std::string environment(const char* name) {
    // The environment is never changed after the start, so getenv is safe.
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return value == nullptr ? "" : value;
}

}  // namespace

Result<std::string> Credential::read() const {
    if (file.empty()) {
        return text;
    }
    return read_file(file, kCredentialLimit);
}

std::string ClusterAccess::host_and_port() const {
    const bool is_ipv6 = host.find(':') != std::string::npos;
    return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string ClusterAccess::url() const {
    return "https://" + host_and_port() + path_prefix;
}

Result<ClusterAccess> in_cluster_access(const std::string& directory) {
    ClusterAccess access;
    access.host = environment("KUBERNETES_SERVICE_HOST");
    const std::string port = environment("KUBERNETES_SERVICE_PORT");
    if (access.host.empty() || port.empty()) {
        return Error(
            "the address of the Kubernetes API is not known: KUBERNETES_SERVICE_HOST and "
            "KUBERNETES_SERVICE_PORT are not set, so this is not a pod of a cluster; name a "
            "kubeconfig in podSource.kubernetes.kubeconfig",
            ENOENT);
    }
    if (access.host.size() > 2 && access.host.front() == '[' && access.host.back() == ']') {
        access.host = access.host.substr(1, access.host.size() - 2);
    }
    FSM_ASSIGN(access.port, parse_port(port, "KUBERNETES_SERVICE_PORT"));
    access.authority.file = directory + "/ca.crt";
    access.token.file = directory + "/token";
    return access;
}

}  // namespace fsm
