// The parameters that a runtime passes in environment variables (CNI specification 1.1, section 2,
// "Parameters"), checked for the verb at hand. Every error has code 4 and names its variable.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "common/cni/error.h"
#include "common/cni/request.h"

namespace fsm::plugin {

enum class Verb { add, del, check, gc, status, version };

std::string_view to_string(Verb verb);

struct Environment {
    Verb verb = Verb::version;
    // Filled for the verbs that concern one attachment. What stdin says is added later.
    cni::Request request;
};

// Looks a variable up; nullptr if it is not set. ::getenv outside of tests.
using VariableLookup = std::function<const char*(const char*)>;

cni::Expected<Environment> read_environment(const VariableLookup& lookup);

}  // namespace fsm::plugin
