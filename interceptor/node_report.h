// Facts about the node that are outside of the interceptor's control, for `fsm check` and for those
// who help from a distance: kernel, file systems, other programs, CNI directories.
#pragma once

#include <string>

#include "common/result.h"
#include "interceptor/config.h"

namespace fsm {

// A JSON document. It is read from the node itself, so it needs no running interceptor. What could
// not be read is in the document, with the reason. It has the CNI configurations as they are.
std::string describe_node(const Config& config);

}  // namespace fsm
