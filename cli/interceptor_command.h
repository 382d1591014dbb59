// `fsm interceptor`: a command of fsm-interceptor on every node, merged.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/settings.h"
#include "common/result.h"

namespace fsm::cli {

struct InterceptorOptions {
    Settings settings;
    std::vector<std::string> nodes;  // only these; empty: all
    std::size_t at_once = 16;        // nodes that are asked at the same time
    std::vector<std::string> words;  // the command of fsm-interceptor, and its arguments
};

// Prints what the nodes answer. A node that does not answer is named on standard error and makes
// the result an error, after the answers of the others.
Result<void> run_on_nodes(const InterceptorOptions& options);

}  // namespace fsm::cli
