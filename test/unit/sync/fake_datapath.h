// FakeDatapath: a data path that remembers what it was told, fails when it is told to, and takes as
// long as it is told to. Header-only, for the tests of the folders above the data path.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "interceptor/datapath/datapath.h"

namespace fsm::testing {

class FakeDatapath : public Datapath {
  public:
    Result<EnrolledPod> enrol(const Netns& netns, const PodEnrolment& enrolment) override {
        std::this_thread::sleep_for(enrol_time);
        const auto cookie = netns.cookie();
        const std::lock_guard guard(mutex_);
        ++enrol_calls_;
        if (!enrol_failure.empty()) {
            return Error(enrol_failure);
        }
        if (!cookie || *cookie != enrolment.netns_cookie) {
            return Error("the cookie is not that of the namespace");
        }
        enrolments_[enrolment.netns_cookie] = enrolment;
        for (const auto& address : enrolment.addresses) {
            address_owner_[address] = enrolment.netns_cookie;
        }
        return describe(enrolment);
    }

    Result<void> withdraw(std::uint64_t netns_cookie, const Netns* netns) override {
        const std::lock_guard guard(mutex_);
        if (!withdraw_failure.empty()) {
            return Error(withdraw_failure);
        }
        withdrawn_with_netns_ = netns != nullptr;
        enrolments_.erase(netns_cookie);
        std::erase_if(address_owner_,
                      [&](const auto& entry) { return entry.second == netns_cookie; });
        return {};
    }

    Result<void> cut_open(std::uint64_t netns_cookie, const Netns& /*netns*/) override {
        cut = netns_cookie;
        return {};
    }

    Result<void> forget_address(const IpAddress& address, std::uint64_t keep) override {
        const std::lock_guard guard(mutex_);
        if (!forget_failure.empty()) {
            return Error(forget_failure);
        }
        const auto found = address_owner_.find(address);
        if (found != address_owner_.end() && found->second != keep) {
            address_owner_.erase(found);
        }
        return {};
    }

    Result<void> check(const Netns&, std::uint64_t netns_cookie) const override {
        const std::lock_guard guard(mutex_);
        if (!check_failure.empty()) {
            return Error(check_failure);
        }
        if (enrolments_.count(netns_cookie) == 0) {
            return Error("the pod is not in the pods map");
        }
        return {};
    }

    Result<void> sweep() override {
        ++sweeps;
        const std::lock_guard guard(mutex_);
        return sweep_failure_.empty() ? Result<void>() : Result<void>(Error(sweep_failure_));
    }
    std::vector<Problem> node_conditions() const override {
        const std::lock_guard guard(mutex_);
        return conditions_;
    }

    Result<std::vector<EnrolledPod>> pods() const override {
        const std::lock_guard guard(mutex_);
        std::vector<EnrolledPod> pods;
        for (const auto& [cookie, enrolment] : enrolments_) {
            pods.push_back(describe(enrolment));
        }
        return pods;
    }
    Result<std::vector<DatapathMap>> maps() const override {
        if (unreadable) {
            return Error("maps cannot be read");
        }
        return std::vector<DatapathMap>{{"fsm_pods", 7, 1, 4096}};
    }
    Result<std::vector<DatapathProgram>> programs() const override {
        return std::vector<DatapathProgram>{{"fsm_connect4", "cgroup/connect4", 5, true}};
    }
    Result<std::vector<CounterValue>> counters() const override {
        return std::vector<CounterValue>{{"connect_outbound", "Connects", 42}};
    }
    const std::vector<KernelCapability>& capabilities() const override { return capabilities_; }
    Acceleration automatic_acceleration() const override { return Acceleration::sidecar; }
    const std::string& automatic_acceleration_reason() const override { return reason_; }

    // What tests look at.
    bool enrolled(std::uint64_t cookie) const {
        const std::lock_guard guard(mutex_);
        return enrolments_.count(cookie) != 0;
    }
    PodEnrolment enrolment(std::uint64_t cookie) const {
        const std::lock_guard guard(mutex_);
        return enrolments_.at(cookie);
    }
    std::size_t size() const {
        const std::lock_guard guard(mutex_);
        return enrolments_.size();
    }
    int enrol_calls() const {
        const std::lock_guard guard(mutex_);
        return enrol_calls_;
    }
    bool owns(const IpAddress& address) const {
        const std::lock_guard guard(mutex_);
        return address_owner_.count(address) != 0;
    }
    bool withdrawn_with_netns() const {
        const std::lock_guard guard(mutex_);
        return withdrawn_with_netns_;
    }
    // What an earlier process, or a lost one, left in the kernel.
    void plant(const PodEnrolment& enrolment) {
        const std::lock_guard guard(mutex_);
        enrolments_[enrolment.netns_cookie] = enrolment;
        for (const auto& address : enrolment.addresses) {
            address_owner_[address] = enrolment.netns_cookie;
        }
    }

    // From now on every sweep fails; empty: none does.
    void fail_sweeps(const std::string& failure) {
        const std::lock_guard guard(mutex_);
        sweep_failure_ = failure;
    }
    // What is broken for the whole node from now on.
    void set_node_conditions(std::vector<Problem> conditions) {
        const std::lock_guard guard(mutex_);
        conditions_ = std::move(conditions);
    }

    std::chrono::milliseconds enrol_time{0};
    std::string enrol_failure;
    std::string withdraw_failure;
    std::string forget_failure;
    std::string check_failure;
    bool unreadable = false;
    InboundMechanism inbound = InboundMechanism::sk_lookup;
    std::uint64_t cut = 0;  // the pod whose open connections were cut
    std::atomic<int> sweeps = 0;

  private:
    EnrolledPod describe(const PodEnrolment& enrolment) const {
        return {enrolment.netns_cookie, enrolment.addresses, inbound, Acceleration::off, 0};
    }

    mutable std::mutex mutex_;
    std::map<std::uint64_t, PodEnrolment> enrolments_;
    std::map<IpAddress, std::uint64_t> address_owner_;
    std::string sweep_failure_;
    std::vector<Problem> conditions_;
    int enrol_calls_ = 0;
    bool withdrawn_with_netns_ = false;
    std::vector<KernelCapability> capabilities_ = {{"sk_lookup", true, "Linux 5.9"}};
    std::string reason_ = "the kernel passes the order and flow-control probe";
};

}  // namespace fsm::testing
