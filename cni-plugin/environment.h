// The parameters in environment variables (CNI specification 1.1, section 2, "Parameters"), checked
// for the current verb. Every error has code 4 and names its variable.
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
    // Set for the verbs that concern one attachment. The data from stdin is added later.
    cni::Request request;
};

// Looks up a variable; nullptr if it is not set. ::getenv except in tests.
using VariableLookup = std::function<const char*(const char*)>;

cni::Expected<Environment> read_environment(const VariableLookup& lookup);

}  // namespace fsm::plugin
