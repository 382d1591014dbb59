// PodQuery: queries the Kubernetes API for one pod, independent of a watch.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "common/result.h"
#include "interceptor/kubernetes/api_client.h"
#include "interceptor/kubernetes/cluster_access.h"
#include "interceptor/pod/pod_source.h"

namespace fsm {

struct PodQueryTimes {
    std::chrono::milliseconds find;            // for a whole query
    std::chrono::milliseconds token_lifetime;  // until a token is read again
    std::chrono::milliseconds
        out_of_reach;  // how long queries fail without an attempt after a failure
};

// Threads: every function may be called from any thread.
class PodQuery {
  public:
    PodQuery(const ClusterAccess& access, PodQueryTimes times)
        : times_(times), client_(access, times.find, times.token_lifetime) {}

    Result<FoundPod> ask(const PodName& name);
    // Cancels queries that are in progress, and later ones.
    void interrupt() { client_.interrupt(); }

  private:
    using Clock = std::chrono::steady_clock;

    std::optional<Error> out_of_reach() const;
    Result<FoundPod> understand(const PodName& name, const ApiAnswer& answer) const;

    const PodQueryTimes times_;
    ApiClient client_;
    mutable std::mutex mutex_;
    std::optional<std::pair<Clock::time_point, std::string>> unreached_;
};

}  // namespace fsm
