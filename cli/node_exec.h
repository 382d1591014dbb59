// Runs fsm-interceptor's own commands on the nodes: by `kubectl exec` in the interceptor's pod of
// each, with the user's rights.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/kubectl.h"
#include "cli/mesh.h"
#include "common/result.h"

namespace fsm::cli {

struct InterceptorPod {
    std::string node;
    std::string pod_namespace;
    std::string name;
    std::string image;
    std::string trouble;  // why nothing can be run in it; empty: it runs
};

// The pods of a mesh's interceptors, one for each node that has one, sorted by node. `nodes`: only
// these; empty: all. An error if one of them has none.
Result<std::vector<InterceptorPod>> find_interceptors(const Kubectl& kubectl, const Mesh& mesh,
                                                      const std::vector<std::string>& nodes);

// Calls `work` with 0 … count-1 from `at_once` threads, and returns when all are done.
void run_bounded(std::size_t count, std::size_t at_once,
                 const std::function<void(std::size_t)>& work);

struct RemoteCall {
    std::vector<std::string> words;  // the command, and its arguments
    std::chrono::milliseconds time_limit = std::chrono::seconds(60);
};

struct RemoteAnswer {
    std::string output;            // also of a command that failed
    std::optional<Error> failure;  // with its exit status, if it has ended by itself
};

// Runs fsm-interceptor in the pod. Threads: may be called from any.
RemoteAnswer answer_in(const Kubectl& kubectl, const InterceptorPod& pod, const RemoteCall& call);
// The same, for a command whose output is of no use when it fails.
Result<std::string> run_in(const Kubectl& kubectl, const InterceptorPod& pod,
                           const RemoteCall& call);

// The same for a command that goes on: `on_output` has what it prints, as it comes. It ends when
// this process does, or closes `stdin_fd`, its standard input.
Result<void> stream_in(const Kubectl& kubectl, const InterceptorPod& pod, const RemoteCall& call,
                       int stdin_fd, const std::function<void(std::string_view)>& on_output);

}  // namespace fsm::cli
