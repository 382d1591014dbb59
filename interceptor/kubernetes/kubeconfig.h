// Reading a kubeconfig, the file with which kubectl finds its cluster.
#pragma once

#include <string>

#include "common/result.h"
#include "interceptor/kubernetes/cluster_access.h"

namespace fsm {

// The access of the current context. Relative paths are relative to the file's folder. Unsupported
// fields (exec, auth-provider, username, impersonation, proxy-url) are an Error that names the
// field and the alternative: without it the connection would not be the intended one.
Result<ClusterAccess> read_kubeconfig(const std::string& path);

}  // namespace fsm
