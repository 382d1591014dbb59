// KubernetesPods: the pod source of a cluster's node. It keeps the node's pods in memory, by list
// and watch, and queries the API for a pod that it does not have.
//
// Ended pods (phase Succeeded or Failed) are not followed: their containers do not restart. While
// the API is out of reach, known pods stay unchanged; for others the answer is "not known".
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
    std::size_t max_pods = 20'000;  // kept in memory; others are queried one by one
    // How long watch() waits for the first list; it delays the interceptor's start.
    std::chrono::milliseconds first_list_time{5000};
    // The time limit of a query for one pod.
    std::chrono::milliseconds find_time{3000};
    // After the API was out of reach, how long queries fail without an attempt.
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
    // Does not query the API for a pod that is in memory. Also finds pods of other nodes. An Error
    // ("not known") unless the API itself answers that the pod does not exist.
    Result<FoundPod> find(const PodName& name) const override;
    Result<FoundPod> find_current(const PodName& name) const override;
    // An Error before the first list is complete.
    Result<std::vector<Pod>> list() const override;
    Result<void> watch(std::function<void(const PodName&)> changed) override;
    // The state of the connection, invalid pods, and pods beyond the limit.
    std::vector<Problem> problems() const override;
    Result<void> ready() const override;
    std::vector<SourceFigure> figures() const override;

    CollectionState state() const;

  private:
    class Implementation;

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace fsm
