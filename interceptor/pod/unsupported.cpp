#include "interceptor/pod/unsupported.h"

#include <algorithm>

#include "common/text.h"

namespace fsm {

namespace {

bool has_word(const std::vector<std::string>& words, std::string_view word) {
    return std::any_of(words.begin(), words.end(),
                       [&](const std::string& each) { return same_word(each, word); });
}

const std::string* find(const std::map<std::string, std::string>& texts, const std::string& name) {
    const auto found = texts.find(name);
    return found == texts.end() ? nullptr : &found->second;
}

const std::string* value_of(const Unsupported& entry, const Pod& pod, const Container& sidecar) {
    if (entry.source == Unsupported::Source::environment) {
        return find(sidecar.environment, entry.name);
    }
    const std::string* own = find(pod.annotations, entry.name);
    return own == nullptr && entry.inherited ? find(pod.namespace_annotations, entry.name) : own;
}

bool asks(const Unsupported& entry, std::string_view value) {
    const std::string_view word = trimmed(value);
    return entry.values.empty() ? !word.empty() && !has_word(entry.harmless, word)
                                : has_word(entry.values, word);
}

// The entries of one effect that the pod requests.
std::vector<PodProblem> entries_asked_for(const MeshProfile& profile, const Pod& pod,
                                          const Container& sidecar, Unsupported::Effect effect) {
    std::vector<PodProblem> result;
    for (const Unsupported& entry : profile.unsupported) {
        const std::string* value = value_of(entry, pod, sidecar);
        if (entry.effect != effect || value == nullptr || !asks(entry, *value)) {
            continue;
        }
        const bool environment = entry.source == Unsupported::Source::environment;
        const std::string subject = environment
                                        ? "variable " + entry.name + " of container " + sidecar.name
                                        : "annotation " + entry.name;
        result.push_back({environment ? PodProblem::Kind::other : PodProblem::Kind::annotation,
                          subject + " is " + in_quotes(*value) + ": " + entry.text});
    }
    return result;
}

// "runAsUser 1337", "runAsGroup 1337"; nullopt when the container has neither.
std::optional<std::string> identity_shared_by(const Container& container,
                                              const InterceptionPolicy& policy) {
    if (container.run_as_user == policy.sidecar_uid) {
        return "runAsUser " + std::to_string(policy.sidecar_uid);
    }
    if (policy.sidecar_gid && container.run_as_group == policy.sidecar_gid) {
        return "runAsGroup " + std::to_string(*policy.sidecar_gid);
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> refusal_of(const MeshProfile& profile, const Pod& pod,
                                      const Container& sidecar) {
    const auto all = entries_asked_for(profile, pod, sidecar, Unsupported::Effect::refuse);
    return all.empty() ? std::nullopt : std::optional(all.front().text);
}

std::vector<PodProblem> unsupported_requests(const MeshProfile& profile, const Pod& pod,
                                             const Container& sidecar) {
    return entries_asked_for(profile, pod, sidecar, Unsupported::Effect::say);
}

SharedIdentity shared_identity(const MeshProfile& profile, const Pod& pod, const Container& sidecar,
                               const InterceptionPolicy& policy) {
    SharedIdentity shared;
    for (const Container& container : pod.containers) {
        const auto& own = profile.own_containers;
        const auto identity = identity_shared_by(container, policy);
        if (!identity || container.name == sidecar.name ||
            std::find(own.begin(), own.end(), container.name) != own.end()) {
            continue;
        }
        const std::string sentence = "container " + printable(container.name) + " has " +
                                     *identity +
                                     ", which is the sidecar's: its connections bypass the "
                                     "sidecar";
        if (container.kind == Container::Kind::init) {
            shared.notes.push_back("init " + sentence);
        } else {
            shared.problems.push_back({PodProblem::Kind::other,
                                       sentence + "; give it another one in its securityContext"});
        }
    }
    return shared;
}

}  // namespace fsm
