// PodLookup: finds the source's pod for the names that a container runtime passes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>

#include "common/cni/request.h"
#include "interceptor/pod/pod_source.h"

namespace fsm {

// "namespace/name", or the name alone if the runtime passes no namespace.
std::string pod_name_of(const cni::PodReference& reference);

// Threads: every function may be called from any thread.
class PodLookup {
  public:
    // The source must outlive the lookup.
    explicit PodLookup(const PodSource& source) : source_(source) {}

    // Queries once. An Error means "not known": the source cannot answer, or has an earlier pod of
    // the same name (another uid). nullopt: the source is certain that there is none. Without a
    // namespace (podman passes none) the pod is the one in "default", otherwise the only one of
    // that name; several are an Error.
    Result<FoundPod> find(const cni::PodReference& reference) const;

    // The same, but "not known" is retried until `limit` has passed.
    Result<FoundPod> wait_for(const cni::PodReference& reference,
                              std::chrono::milliseconds limit) const;

    // Ends every wait, now and later: the interceptor stops.
    void interrupt();

  private:
    Result<FoundPod> find_by_name_alone(const std::string& name) const;

    const PodSource& source_;
    mutable std::mutex mutex_;
    mutable std::condition_variable wake_;
    bool interrupted_ = false;
};

}  // namespace fsm
