// FakePodSource: pods that a test adds, removes, or makes unknown.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "interceptor/pod/pod_source.h"

namespace fsm::testing {

class FakePodSource : public PodSource {
  public:
    std::string description() const override { return "test source"; }

    Result<FoundPod> find(const PodName& name) const override {
        const std::lock_guard guard(mutex_);
        if (!failure_.empty()) {
            return Error(failure_);
        }
        const auto found = pods_.find(name);
        return found == pods_.end() ? FoundPod() : FoundPod(found->second);
    }

    Result<std::vector<Pod>> list() const override {
        const std::lock_guard guard(mutex_);
        if (!failure_.empty()) {
            return Error(failure_);
        }
        if (throws_) {
            throw std::runtime_error("out of everything");
        }
        std::vector<Pod> pods;
        for (const auto& [name, pod] : pods_) {
            pods.push_back(pod);
        }
        return pods;
    }

    Result<void> watch(std::function<void(const PodName&)>) override { return {}; }
    std::vector<Problem> problems() const override { return {}; }

    void put(const Pod& pod) {
        const std::lock_guard guard(mutex_);
        pods_[pod.name] = pod;
    }
    void erase(const PodName& name) {
        const std::lock_guard guard(mutex_);
        pods_.erase(name);
    }
    // From now on the source cannot answer; empty: it can.
    void fail(const std::string& failure) {
        const std::lock_guard guard(mutex_);
        failure_ = failure;
    }

    // What no code of ours should do.
    void throw_at_list(bool throws) {
        const std::lock_guard guard(mutex_);
        throws_ = throws;
    }

  private:
    mutable std::mutex mutex_;
    std::map<PodName, Pod> pods_;
    std::string failure_;
    bool throws_ = false;
};

}  // namespace fsm::testing
