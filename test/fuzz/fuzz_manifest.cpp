// Any text as a manifest: no crash, no hang, names that are safe in paths, messages that print.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "interceptor/pod/manifest.h"
#include "interceptor/pod/mesh_profile.h"
#include "test/fuzz/check.h"

namespace {

using fsm::fuzz::require;
using fsm::fuzz::require_printable;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto profile = fsm::MeshProfile::builtin("istio");
    require(static_cast<bool>(profile));
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto pods = fsm::parse_manifests(text, "m.yaml");
    if (!pods) {
        require_printable(pods.error().message());
        return 0;
    }
    for (const fsm::Pod& pod : *pods) {
        for (const std::string& part : {pod.name.name, pod.name.pod_namespace}) {
            require(!part.empty() && part.front() != '.' && part.find('/') == std::string::npos);
        }
        require(!pod.containers.empty());
        for (const fsm::PodProblem& problem : fsm::decide(*profile, pod, {}).problems) {
            require_printable(problem.text);
        }
    }
    return 0;
}
