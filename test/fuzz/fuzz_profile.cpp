// Any text as a mesh profile: no crash, no hang, and what loads can be used to decide.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "interceptor/pod/mesh_profile.h"
#include "test/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto profile = fsm::MeshProfile::parse(text, "p.yaml");
    if (!profile) {
        fsm::fuzz::require_printable(profile.error().message());
        return 0;
    }
    fsm::Pod pod;
    pod.name = {"default", "a"};
    for (const std::string& name : profile->sidecar_containers) {
        fsm::Container container;
        container.name = name;
        pod.containers.push_back(container);
    }
    for (const fsm::AnnotationRule& rule : profile->annotations) {
        pod.annotations[rule.name] = rule.wildcard.value_or("80");
    }
    const fsm::Decision decision = fsm::decide(*profile, pod, {});
    if (const auto* in_mesh = std::get_if<fsm::InMesh>(&decision.verdict)) {
        const fsm::InterceptionPolicy& policy = in_mesh->policy;
        fsm::fuzz::require(policy.outbound_port4 != policy.inbound_port4);
        fsm::fuzz::require(policy.outbound_port4 != 0 && policy.inbound_port6 != 0);
    }
    return 0;
}
