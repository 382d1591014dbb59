// Decides whether a pod is in the mesh, and with which policy.
#include <algorithm>
#include <utility>

#include "common/text.h"
#include "interceptor/pod/annotation_values.h"
#include "interceptor/pod/mesh_profile.h"
#include "interceptor/pod/policy_builder.h"
#include "interceptor/pod/switch.h"
#include "interceptor/pod/unsupported.h"

namespace fsm {

namespace {

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// The sidecar's container, or nullptr. A plain init container does not count: it ends before the
// application starts.
const Container* find_sidecar(const MeshProfile& profile, const Pod& pod) {
    for (const Container& container : pod.containers) {
        if (container.kind != Container::Kind::init &&
            has(profile.sidecar_containers, container.name)) {
            return &container;
        }
    }
    return nullptr;
}

// The setting of the pod, else of its namespace, else of the mesh.
std::optional<std::string> value_of(const AnnotationRule& rule, const Pod& pod) {
    if (rule.also_label) {
        if (const auto label = pod.labels.find(rule.name); label != pod.labels.end()) {
            return label->second;
        }
    }
    if (const auto own = pod.annotations.find(rule.name); own != pod.annotations.end()) {
        return own->second;
    }
    if (rule.inherited) {
        const auto above = pod.namespace_annotations.find(rule.name);
        if (above != pod.namespace_annotations.end()) {
            return above->second;
        }
    }
    return rule.value_when_absent;
}

std::optional<std::string> exempting_environment(const MeshProfile& profile,
                                                 const Container& sidecar) {
    for (const auto& [variable, values] : profile.exempting_environment) {
        if (says(sidecar, variable, values)) {
            return "container " + sidecar.name + " has the variable " + variable + " set to " +
                   in_quotes(sidecar.environment.at(variable));
        }
    }
    return std::nullopt;
}

template <typename Map>
std::optional<std::string> first_of(const std::vector<std::string>& names, const Map& map) {
    for (const std::string& name : names) {
        if (map.count(name) != 0) {
            return name;
        }
    }
    return std::nullopt;
}

template <typename Map>
std::optional<std::string> first_missing(const std::vector<std::string>& names, const Map& map) {
    for (const std::string& name : names) {
        if (map.count(name) == 0) {
            return name;
        }
    }
    return std::nullopt;
}

// Why a pod without a sidecar is in the mesh all the same.
std::optional<std::string> sidecarless(const MeshProfile& profile, const Pod& pod) {
    for (const auto& [label, values] : profile.sidecarless_labels) {
        const auto found = pod.labels.find(label);
        if (found != pod.labels.end() && has(values, found->second)) {
            return "it is in the mesh without a sidecar: its label " + label + " says " +
                   found->second;
        }
    }
    return std::nullopt;
}

// Other programs also have containers with the sidecar's name: checks the marks of this mesh's
// sidecar.
std::optional<std::string> missing_marks(const MeshProfile& profile, const Pod& pod,
                                         const Container& sidecar) {
    const SidecarMarks& marks = profile.marks;
    const bool runs_as_sidecar = marks.uid && sidecar.run_as_user == profile.sidecar_uid;
    if (marks.empty() || runs_as_sidecar || first_of(marks.labels, pod.labels) ||
        first_of(marks.annotations, pod.annotations)) {
        return std::nullopt;
    }
    std::vector<std::string> expected;
    for (const std::string& label : marks.labels) {
        expected.push_back("label " + label);
    }
    for (const std::string& annotation : marks.annotations) {
        expected.push_back("annotation " + annotation);
    }
    if (marks.uid) {
        expected.push_back("runAsUser " + std::to_string(profile.sidecar_uid) +
                           " of the container");
    }
    return "its container " + sidecar.name +
           " is not known to be the mesh's sidecar: it has none of " + joined(expected);
}

// Why a pod with a sidecar is still not in the mesh, except for its switches.
std::optional<std::string> reason_for_exemption(const MeshProfile& profile, const Pod& pod,
                                                const Container& sidecar) {
    for (const Container& container : pod.containers) {
        if (has(profile.exempting_containers, container.name)) {
            return "it has a container named " + container.name;
        }
    }
    if (auto reason = exempting_environment(profile, sidecar)) {
        return reason;
    }
    for (const std::string& argument : profile.exempting_arguments) {
        if (has(sidecar.arguments, argument)) {
            return "container " + sidecar.name + " runs with the argument " + argument;
        }
    }
    if (const auto label = first_of(profile.exempting_labels, pod.labels)) {
        return "it has the label " + *label;
    }
    if (const auto name = first_of(profile.exempting_annotations, pod.annotations)) {
        return "it has the annotation " + *name;
    }
    if (const auto label = first_missing(profile.required_labels, pod.labels)) {
        return "it has no label " + *label;
    }
    if (const auto name = first_missing(profile.required_annotations, pod.annotations)) {
        return "it has no annotation " + *name;
    }
    return missing_marks(profile, pod, sidecar);
}

void append(std::vector<PodProblem>& all, std::vector<PodProblem> more) {
    std::move(more.begin(), more.end(), std::back_inserter(all));
}

// Checks every rule about the pod.
template <typename Use>
void for_each_annotation(const MeshProfile& profile, const Pod& pod,
                         std::vector<PodProblem>& all_problems, const Use& use) {
    for (const AnnotationRule& rule : profile.annotations) {
        if (const auto value = value_of(rule, pod)) {
            Problems problems(PodProblem::Kind::annotation, "annotation " + rule.name);
            use(rule, *value, problems);
            append(all_problems, problems.all());
        }
    }
}

// The annotation that switches interception off for the pod, if any.
std::optional<std::string> switched_off_by(const MeshProfile& profile, const Pod& pod,
                                           std::vector<PodProblem>& all_problems) {
    std::optional<std::string> name;
    for_each_annotation(
        profile, pod, all_problems,
        [&](const AnnotationRule& rule, const std::string& value, Problems& problems) {
            if (rule.kind == AnnotationKind::injection &&
                read_switch(rule, value, problems) == Switch::disabled) {
                name = rule.name;
            }
        });
    return name;
}

// Why interception of this pod would always be wrong; nullopt: it can be intercepted.
std::optional<std::string> misidentified(const MeshProfile& profile, const Container& sidecar,
                                         const InterceptionPolicy& policy) {
    const std::string it = "container " + sidecar.name + " runs as uid ";
    if (policy.sidecar_uid == 0 && profile.sidecar_uid != 0) {
        return it +
               "0: every other root process in the pod would count as the sidecar and bypass it; "
               "give the sidecar a separate runAsUser (the mesh's is " +
               std::to_string(profile.sidecar_uid) + ")";
    }
    const bool known_by_group = policy.sidecar_gid && sidecar.run_as_group == policy.sidecar_gid;
    if (sidecar.run_as_user && *sidecar.run_as_user != policy.sidecar_uid && !known_by_group) {
        return it + std::to_string(*sidecar.run_as_user) + ", but the mesh's sidecars have uid " +
               std::to_string(policy.sidecar_uid) +
               ": the sidecar's own connections would be redirected to itself; set its runAsUser "
               "to " +
               std::to_string(policy.sidecar_uid);
    }
    return std::nullopt;
}

// Of a pod that its mesh means to be intercepted.
Decision decide_policy(const MeshProfile& profile, const Pod& pod, const NodeDefaults& node,
                       const Container& sidecar, std::vector<PodProblem> problems) {
    append(problems, unsupported_requests(profile, pod, sidecar));
    if (auto refusal = refusal_of(profile, pod, sidecar)) {
        return {Refused{std::move(*refusal)}, std::move(problems)};
    }
    PolicyBuilder builder(profile, pod, node);
    Problems of_container(PodProblem::Kind::other, "container " + sidecar.name);
    builder.take_identity_from(sidecar);
    for_each_annotation(profile, pod, problems,
                        [&](const AnnotationRule& rule, const std::string& value, Problems& found) {
                            builder.apply(rule, value, found);
                        });
    InMesh in_mesh = builder.finish(of_container);
    in_mesh.sidecar_container = sidecar.name;
    append(problems, of_container.all());
    if (auto wrong = misidentified(profile, sidecar, in_mesh.policy)) {
        return {Refused{std::move(*wrong)}, std::move(problems)};
    }
    if (auto excess = builder.excess()) {
        return {Refused{std::move(*excess)}, std::move(problems)};
    }
    SharedIdentity shared = shared_identity(profile, pod, sidecar, in_mesh.policy);
    append(problems, std::move(shared.problems));
    return {std::move(in_mesh), std::move(problems), std::move(shared.notes)};
}

}  // namespace

Decision decide(const MeshProfile& profile, const Pod& pod, const NodeDefaults& node) {
    if (pod.host_network) {
        return {NotInMesh{"it uses the network of the host"}, {}};
    }
    if (node.excluded_namespaces.contains(pod.name.pod_namespace)) {
        return {NotInMesh{"the configuration excludes its namespace (cni.excludeNamespaces)"}, {}};
    }
    const Container* sidecar = find_sidecar(profile, pod);
    if (sidecar == nullptr) {
        if (auto reason = sidecarless(profile, pod)) {
            return {Sidecarless{std::move(*reason)}, {}};
        }
        return {NotInMesh{"it has no container named " + joined(profile.sidecar_containers)}, {}};
    }
    if (auto reason = reason_for_exemption(profile, pod, *sidecar)) {
        return {NotInMesh{std::move(*reason)}, {}};
    }
    std::vector<PodProblem> problems;
    if (const auto name = switched_off_by(profile, pod, problems)) {
        return {NotInMesh{"its annotation or label " + *name + " disables it"},
                std::move(problems)};
    }
    return decide_policy(profile, pod, node, *sidecar, std::move(problems));
}

}  // namespace fsm
