// PodNotifier: tells a pod's owner what is wrong with it, where owners look (with Kubernetes: as an
// event on the pod).
#pragma once

#include <string>

#include "interceptor/pod/pod.h"

namespace fsm {

struct PodWarning {
    PodName pod;
    std::string uid;      // empty when it is not known
    std::string reason;   // one word, for machines: "FsmAnnotationIgnored"
    std::string message;  // a sentence, for people
};

// Threads: warn() may be called from any thread. It returns at once and never fails: what cannot be
// told is dropped, and who is told twice hears it once.
class PodNotifier {
  public:
    virtual ~PodNotifier() = default;
    virtual void warn(const PodWarning& warning) = 0;
};

}  // namespace fsm
