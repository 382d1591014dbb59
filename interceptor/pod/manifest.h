// Reads pods from Kubernetes manifests: YAML or JSON, one or more documents.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "interceptor/pod/pod.h"

namespace fsm {

// The maximum size of a file; a longer text is an error.
inline constexpr std::size_t kManifestSizeLimit = std::size_t{1} << 20;

// The pods of all documents of kind Pod, and of those inside a List or PodList; other kinds are
// ignored. A pod without a namespace is in "default". One invalid document fails the whole text;
// the error names origin:line. Work and memory are bounded by the size of the text, whatever its
// depth and aliases.
Result<std::vector<Pod>> parse_manifests(std::string_view text, const std::string& origin);

}  // namespace fsm
