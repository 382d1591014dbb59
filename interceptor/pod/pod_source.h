// PodSource: where pods come from (a directory of manifests; the Kubernetes API).
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

// "Not there" and "not known" are different answers: a source that cannot tell returns an Error
// and its caller retries; it must never be taken for "not in the mesh".
using FoundPod = std::optional<Pod>;

// One number about a source, for metrics.
struct SourceFigure {
    enum class Kind : std::uint8_t { level, count } kind;  // a count only grows
    std::string name;                                      // "lists"
    std::string help;
    double value = 0;
};

class PodSource {
  public:
    virtual ~PodSource() = default;

    // For logs and status: "directory /etc/fsm/pods".
    virtual std::string description() const = 0;

    // The pod that the container runtime calls by that name (K8S_POD_NAMESPACE and K8S_POD_NAME of
    // the CNI arguments) now; nullopt when the source is certain that there is none. The namespace
    // is empty when the runtime does not say one (podman does not): a source may then answer by
    // the name alone. What follows (attachments on disk, the callback of watch()) goes by the name
    // in the answer.
    virtual Result<FoundPod> find(const PodName& name) const = 0;

    // The same, and never from memory: for who can tell that what find() answered is out of date
    // (an earlier pod of that name).
    virtual Result<FoundPod> find_current(const PodName& name) const { return find(name); }

    // Every pod that the source knows.
    virtual Result<std::vector<Pod>> list() const = 0;

    // Starts watching, once; `changed` is called with the own name of each pod that appeared,
    // changed or went, until the source is destroyed. Call list() after it, not before it: then no
    // change falls between the two.
    virtual Result<void> watch(std::function<void(const PodName&)> changed) = 0;

    // What is wrong with the source itself now (a manifest that cannot be read: file and reason).
    virtual std::vector<Problem> problems() const = 0;

    // An Error until the source has known, once since its start, which pods there are; it says what
    // it waits for.
    virtual Result<void> ready() const { return {}; }

    virtual std::vector<SourceFigure> figures() const { return {}; }
};

}  // namespace fsm
