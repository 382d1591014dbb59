// NoPods: the pod source of mode none. It certainly has no pods, so that ADD never waits for one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "interceptor/pod/pod_source.h"

namespace fsm {

class NoPods : public PodSource {
  public:
    std::string description() const override { return "trafficInterceptionMode none"; }
    Result<FoundPod> find(const PodName& /*name*/) const override { return FoundPod(); }
    Result<std::vector<Pod>> list() const override { return std::vector<Pod>(); }
    Result<void> watch(std::function<void(const PodName&)> /*changed*/) override { return {}; }
    std::vector<Problem> problems() const override { return {}; }
};

}  // namespace fsm
