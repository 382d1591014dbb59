// The verbs of the CNI protocol: from the parameters and stdin to the output.
//
//     ADD      send the request to the interceptor, then print prevResult unchanged
//     DEL      send the request to the interceptor, or leave a deletion note: both succeed
//     CHECK    ask the interceptor whether the pod is intercepted as it should be
//     GC       send the list of valid attachments to the interceptor
//     STATUS   ask the interceptor whether ADD can be served
//     VERSION  print the versions of the protocol
// The plugin keeps no state, so ADD has nothing to undo when it fails. Pods of excluded namespaces
// pass without any input or output.
#pragma once

#include <functional>
#include <string>

#include "cni-plugin/deadline.h"
#include "cni-plugin/environment.h"
#include "common/result.h"

namespace fsm::plugin {

struct PluginAnswer {
    int exit_status = 0;
    std::string output;       // for stdout: a result, an error object, or nothing
    std::string diagnostics;  // for stderr: text for users
};

// Returns all of stdin. The plugin reads it only if the environment is valid.
using StdinReader = std::function<Result<std::string>()>;

// `start` is the start of the process: the configured time limit counts from there.
PluginAnswer run_plugin(const VariableLookup& lookup, const StdinReader& read_stdin,
                        Deadline start);

// For a user who starts the plugin by hand.
std::string usage_text();

}  // namespace fsm::plugin
