// The verbs of the CNI protocol: from the parameters and stdin to what is to be printed.
//
//     ADD      tell the interceptor, then print prevResult as it came
//     DEL      tell the interceptor; if that fails, leave a deletion note. Succeeds either way
//     CHECK    ask the interceptor whether the pod is intercepted as it should be
//     GC       hand the list of valid attachments to the interceptor
//     STATUS   ask the interceptor whether ADD can be served
//     VERSION  print the versions of the protocol
// The plugin keeps no state of its own, so that ADD has nothing to undo when it fails. Pods of the
// namespaces that are left alone pass without any input or output.
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
    std::string diagnostics;  // for stderr: text for people
};

// Yields all of stdin. The plugin reads it only when the environment is in order.
using StdinReader = std::function<Result<std::string>()>;

// `start` is when the process began: the time limit of the configuration counts from there.
PluginAnswer run_plugin(const VariableLookup& lookup, const StdinReader& read_stdin,
                        Deadline start);

// For a person who starts the plugin by hand.
std::string explain_plugin();

}  // namespace fsm::plugin
