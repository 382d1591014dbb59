// The parameters that a runtime passes in environment variables (CNI specification 1.1, section 2,
// "Parameters"), checked for the verb at hand. Every error has code 4 and names its variable.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cni-plugin/cni_error.h"

namespace fsm {

enum class Verb { add, del, check, gc, status, version };

std::string_view to_string(Verb verb);

// Empty strings stand for variables that are not set. All are valid UTF-8.
struct Environment {
    Verb verb = Verb::version;
    std::string container_id;
    std::string netns;
    std::string ifname;
    std::string args;
    std::string path;
    std::string netns_override;
};

// Looks a variable up; nullptr if it is not set. ::getenv outside of tests.
using VariableLookup = std::function<const char*(const char*)>;

CniResult<Environment> read_environment(const VariableLookup& lookup);

// K8S_POD_NAMESPACE of CNI_ARGS ("KEY=value;KEY=value"); empty if it is not among them, as for
// containers that Kubernetes did not start.
std::string_view pod_namespace(std::string_view args);

}  // namespace fsm
