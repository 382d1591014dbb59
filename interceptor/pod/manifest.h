// Pods out of Kubernetes manifests: YAML or JSON, one or more documents.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "interceptor/pod/pod.h"

namespace fsm {

// A file may be that large; a longer text is an error.
inline constexpr std::size_t kManifestSizeLimit = std::size_t{1} << 20;

// The pods of all documents of kind Pod, and of those inside a List or PodList; documents of other
// kinds are passed over. A pod without a namespace is in "default". All or nothing: one document
// that is wrong is an error, which names origin:line. Work and memory are bounded by the size
// of the text, whatever its depth and its aliases.
Result<std::vector<Pod>> parse_manifests(std::string_view text, const std::string& origin);

}  // namespace fsm
