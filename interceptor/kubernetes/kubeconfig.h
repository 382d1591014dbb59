// Reading a kubeconfig, the file with which kubectl finds its cluster.
#pragma once

#include <string>

#include "common/result.h"
#include "interceptor/kubernetes/cluster_access.h"

namespace fsm {

// The access that the current context gives. Relative paths in the file are relative to its folder.
// What is not supported (exec, auth-provider, username, impersonation, proxy-url) is an Error that
// names it and says what to use instead: a connection without it would be another one than meant.
Result<ClusterAccess> read_kubeconfig(const std::string& path);

}  // namespace fsm
