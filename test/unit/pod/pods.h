// Pods and decisions for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "interceptor/pod/mesh_profile.h"
#include "test/unit/problem_texts.h"

namespace fsm::test {

using fsm::testing::texts_of;
using Texts = std::map<std::string, std::string>;

inline MeshProfile profile_of(const std::string& mesh) {
    auto profile = MeshProfile::builtin(mesh);
    if (!profile) {
        ADD_FAILURE() << profile.error().message();
        return {};
    }
    return *std::move(profile);
}

inline Container container(const std::string& name,
                           Container::Kind kind = Container::Kind::ordinary) {
    Container result;
    result.name = name;
    result.kind = kind;
    return result;
}

// A pod that is in the mesh, with an application and the mesh's sidecar.
inline Pod meshed_pod(const std::string& mesh, const Texts& annotations = {}) {
    static const Texts sidecars = {{"fsm", "sidecar"},
                                   {"istio", "istio-proxy"},
                                   {"linkerd", "linkerd-proxy"},
                                   {"kuma", "kuma-sidecar"},
                                   {"custom", "sidecar"}};
    Pod pod;
    pod.name = {"default", "web"};
    pod.containers = {container("app"), container(sidecars.at(mesh))};
    pod.annotations = annotations;
    if (mesh == "fsm") {
        pod.labels["fsm-proxy-uuid"] = "a0c5";
    }
    if (mesh == "linkerd") {
        pod.labels["linkerd.io/control-plane-ns"] = "linkerd";
    }
    if (mesh == "istio") {
        pod.annotations.emplace("sidecar.istio.io/status", "{}");
    }
    if (mesh == "kuma") {
        pod.annotations.emplace("kuma.io/sidecar-injected", "true");
    }
    return pod;
}

// The pod's interception; fails the test if the pod is not in the mesh.
inline InMesh in_mesh(const Decision& decision) {
    if (const auto* not_in_mesh = std::get_if<NotInMesh>(&decision.verdict)) {
        ADD_FAILURE() << "not in the mesh: " << not_in_mesh->reason;
        return {};
    }
    if (const auto* refused = std::get_if<Refused>(&decision.verdict)) {
        ADD_FAILURE() << "refused: " << refused->reason;
        return {};
    }
    return std::get<InMesh>(decision.verdict);
}

// Why the pod is not in the mesh; empty if it is.
inline std::string reason_outside(const Decision& decision) {
    const auto* not_in_mesh = std::get_if<NotInMesh>(&decision.verdict);
    return not_in_mesh != nullptr ? not_in_mesh->reason : "";
}

// Why the pod is refused; empty if it is not.
inline std::string refusal(const Decision& decision) {
    const auto* refused = std::get_if<Refused>(&decision.verdict);
    return refused != nullptr ? refused->reason : "";
}

}  // namespace fsm::test
