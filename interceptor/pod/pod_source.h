// PodSource: a source of pods (a directory of manifests; the Kubernetes API).
//
// Threads: find() may be called from any thread. The change callback is called from a thread of the
// source, never while the source holds a lock that find() takes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/problem.h"
#include "common/result.h"
#include "interceptor/pod/pod.h"

namespace fsm {

// "Does not exist" and "not known" are different answers: a source that cannot answer returns an
// Error, and its caller retries; an Error must never count as "not in the mesh".
using FoundPod = std::optional<Pod>;

// One figure of a source, for metrics.
struct SourceFigure {
    enum class Kind : std::uint8_t { level, count } kind;  // a count never decreases
    std::string name;                                      // "lists"
    std::string help;
    double value = 0;
};

class PodSource {
  public:
    virtual ~PodSource() = default;

    // For logs and status: "directory /etc/fsm/pods".
    virtual std::string description() const = 0;

    // The current pod of the name that the container runtime passes (K8S_POD_NAMESPACE and
    // K8S_POD_NAME of the CNI arguments); nullopt if the source is certain that it does not exist.
    // The namespace is empty if the runtime does not pass one (podman does not): a source may then
    // answer by the name alone. Later steps (files of attachments, the callback of watch()) use the
    // name in the answer.
    virtual Result<FoundPod> find(const PodName& name) const = 0;

    // The same, but never from memory: for callers that know that find()'s answer is outdated (an
    // earlier pod of that name).
    virtual Result<FoundPod> find_current(const PodName& name) const { return find(name); }

    // Every pod that the source knows.
    virtual Result<std::vector<Pod>> list() const = 0;

    // Starts watching; call it once. `changed` is called with the name of each pod that was added,
    // changed or removed, until the source is destroyed. Call list() after it, so that no change is
    // missed between the two.
    virtual Result<void> watch(std::function<void(const PodName&)> changed) = 0;

    // The source's own current problems (a manifest that cannot be read: file and reason).
    virtual std::vector<Problem> problems() const = 0;

    // An Error until the source has had the complete set of pods once since its start; the text is
    // what it waits for.
    virtual Result<void> ready() const { return {}; }

    virtual std::vector<SourceFigure> figures() const { return {}; }
};

}  // namespace fsm
