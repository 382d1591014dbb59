// PodNotifier: reports problems of a pod to its owner (in Kubernetes by an event on the pod).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/problem.h"
#include "interceptor/pod/pod.h"
#include "interceptor/pod/pod_problem.h"

namespace fsm {

enum class PodWarningReason : std::uint8_t {
    annotation_ignored,
    pod_problem,
    refused,
    node_problem
};

// One word, for machines: the reason of an event (docs/configuration.md describes each).
constexpr std::string_view to_string(PodWarningReason reason) {
    switch (reason) {
        case PodWarningReason::annotation_ignored:
            return "FsmAnnotationIgnored";
        case PodWarningReason::pod_problem:
            return "FsmPodProblem";
        case PodWarningReason::refused:
            return "FsmRefused";
        case PodWarningReason::node_problem:
            return "FsmNodeProblem";
    }
    return "?";
}

// What a problem of a pod is told as; a refusal of an ADD is PodWarningReason::refused.
constexpr PodWarningReason reason_of(const PodProblem& problem) {
    return problem.kind == PodProblem::Kind::annotation ? PodWarningReason::annotation_ignored
                                                        : PodWarningReason::pod_problem;
}

struct PodWarning {
    PodName pod;
    std::string uid;  // empty if unknown
    PodWarningReason reason = PodWarningReason::pod_problem;
    std::string message;  // a sentence, for people
};

// Threads: every function may be called from any thread. warn() does not block and never fails:
// warnings that cannot be written now wait, up to a limit, and duplicates are coalesced.
class PodNotifier {
  public:
    virtual ~PodNotifier() = default;
    virtual void warn(const PodWarning& warning) = 0;

    // The numbers of waiting warnings, and of those dropped since the start.
    virtual std::size_t waiting() const { return 0; }
    virtual std::uint64_t dropped() const { return 0; }
    // Why warnings cannot be written now.
    virtual std::vector<Problem> problems() const { return {}; }
};

}  // namespace fsm
