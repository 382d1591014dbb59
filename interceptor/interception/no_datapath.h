// NoDatapath: mode none. Nothing is programmed or intercepted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "interceptor/interception/datapath.h"

namespace fsm {

class NoDatapath : public Datapath {
  public:
    // In this mode no pod is in the mesh: a caller that enrols one has not looked at the mode.
    Result<EnrolledPod> enrol(const Netns& /*netns*/, const PodEnrolment& /*enrolment*/) override {
        return Error("nothing is intercepted: " + reason_, EOPNOTSUPP);
    }
    Result<void> withdraw(std::uint64_t /*netns_cookie*/, const Netns* /*netns*/) override {
        return {};
    }
    Result<EnrolledPod> check(const Netns& /*netns*/, std::uint64_t netns_cookie) const override {
        EnrolledPod pod;
        pod.netns_cookie = netns_cookie;
        return pod;
    }
    Result<void> sweep() override { return {}; }
    Result<std::vector<EnrolledPod>> pods() const override { return std::vector<EnrolledPod>(); }
    Result<std::optional<EnrolledPod>> pod(std::uint64_t /*netns_cookie*/) const override {
        return std::optional<EnrolledPod>();
    }
    Result<std::vector<DatapathMap>> maps() const override { return std::vector<DatapathMap>(); }
    Result<std::vector<DatapathProgram>> programs() const override {
        return std::vector<DatapathProgram>();
    }
    Result<std::vector<CounterValue>> counters() const override {
        return std::vector<CounterValue>();
    }
    const std::vector<KernelCapability>& capabilities() const override { return capabilities_; }
    Acceleration automatic_acceleration() const override { return Acceleration::off; }
    const std::string& automatic_acceleration_reason() const override { return reason_; }

  private:
    const std::vector<KernelCapability> capabilities_{};
    const std::string reason_ = "trafficInterceptionMode is none";
};

}  // namespace fsm
