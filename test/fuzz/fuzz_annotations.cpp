// Any values of all annotations of a mesh: the first byte chooses the mesh, a zero byte ends a
// value and goes on to the next annotation.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "interceptor/pod/mesh_profile.h"
#include "test/fuzz/check.h"

namespace {

std::vector<fsm::MeshProfile> builtin_profiles() {
    std::vector<fsm::MeshProfile> profiles;
    for (const std::string& name : fsm::MeshProfile::builtin_names()) {
        auto profile = fsm::MeshProfile::builtin(name);
        fsm::fuzz::require(static_cast<bool>(profile));
        profile->required_annotations.clear();
        profiles.push_back(*std::move(profile));
    }
    return profiles;
}

void check_policy(const fsm::InterceptionPolicy& policy, const fsm::MeshProfile& profile) {
    using fsm::fuzz::require;
    fsm::PortSet with_those_of_mesh = policy.inbound.excluded_ports;
    with_those_of_mesh.insert(profile.never_inbound_ports);
    require(with_those_of_mesh == policy.inbound.excluded_ports);
    require(policy.outbound_port4 != policy.inbound_port4);
    require(policy.outbound_port6 != policy.inbound_port6);
    require(policy.outbound_port4 != 0 && policy.inbound_port4 != 0);
    require(policy.outbound_port6 != 0 && policy.inbound_port6 != 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::vector<fsm::MeshProfile> profiles = builtin_profiles();
    if (size == 0) {
        return 0;
    }
    const fsm::MeshProfile& profile = profiles[data[0] % profiles.size()];
    fsm::Pod pod;
    pod.name = {"default", "a"};
    fsm::Container container;
    container.name = profile.sidecar_containers.front();
    pod.containers.push_back(container);
    std::size_t position = 1;
    for (const fsm::AnnotationRule& rule : profile.annotations) {
        std::string value;
        while (position < size && data[position] != 0) {
            value += static_cast<char>(data[position++]);
        }
        if (position++ < size && !value.empty()) {
            pod.annotations[rule.name] = value;
        }
    }
    const fsm::Decision decision = fsm::decide(profile, pod, {});
    for (const fsm::PodProblem& problem : decision.problems) {
        fsm::fuzz::require_printable(problem.text);
    }
    if (const auto* in_mesh = std::get_if<fsm::InMesh>(&decision.verdict)) {
        check_policy(in_mesh->policy, profile);
    }
    return 0;
}
