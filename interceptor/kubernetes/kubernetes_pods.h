// KubernetesPods: the pod source of a cluster's node. It keeps the pods of the node in memory, by
// list and watch, and asks the API directly for one that it does not have.
//
// Pods that have ended (phase Succeeded or Failed) are not followed: their containers do not come
// back. While the API is out of reach, pods that are known stay as they were; for others the answer
// is "not known".
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "interceptor/kubernetes/cluster_access.h"
#include "interceptor/kubernetes/collection_watch.h"
#include "interceptor/pod/pod_source.h"

namespace fsm {

struct KubernetesPodsOptions {
    std::string node;               // whose pods are followed; empty: those of every node
    std::size_t max_pods = 20'000;  // kept in memory; more are asked for one by one
    // How long watch() waits for the first list; the start of the interceptor waits for it.
    std::chrono::milliseconds first_list_time{5000};
    // For one pod that is asked for directly.
    std::chrono::milliseconds find_time{3000};
    // After the API was out of reach, how long it is taken to be so without trying.
    std::chrono::milliseconds out_of_reach_time{1000};
    std::chrono::milliseconds token_lifetime{60'000};
    CollectionSettings collection;  // its path, selector and name are set here
};

// Threads: every function may be called from any thread. watch() starts one thread, which the
// destructor stops and joins; the callback must not destroy the source.
class KubernetesPods final : public PodSource {
  public:
    KubernetesPods(const ClusterAccess& access, KubernetesPodsOptions options);
    ~KubernetesPods() override;
    KubernetesPods(const KubernetesPods&) = delete;
    KubernetesPods& operator=(const KubernetesPods&) = delete;

    std::string description() const override;
    // A pod that is in memory is not asked for. A pod of another node is found, too. An Error
    // ("not known") unless the API itself says that there is no such pod.
    Result<FoundPod> find(const PodName& name) const override;
    Result<FoundPod> find_current(const PodName& name) const override;
    // An Error before the first list.
    Result<std::vector<Pod>> list() const override;
    Result<void> watch(std::function<void(const PodName&)> changed) override;
    // The state of the connection, pods that cannot be read, pods beyond the limit.
    std::vector<Problem> problems() const override;
    Result<void> ready() const override;
    std::vector<SourceFigure> figures() const override;

    CollectionState state() const;

  private:
    class Implementation;

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace fsm
