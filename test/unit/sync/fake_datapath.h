// FakeDatapath: a data path that records its calls, fails on request, and takes a given time.
// Header-only, for the tests of the folders above the data path.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "interceptor/interception/datapath.h"

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
        return made_[enrolment.netns_cookie] = describe(enrolment);
    }

    Result<void> withdraw(std::uint64_t netns_cookie, const Netns* netns) override {
        const std::lock_guard guard(mutex_);
        if (!withdraw_failure.empty()) {
            return Error(withdraw_failure);
        }
        withdrawn_with_netns_ = netns != nullptr;
        enrolments_.erase(netns_cookie);
        return {};
    }

    Result<void> withdraw_and_cut(std::uint64_t netns_cookie, const Netns& netns) override {
        FSM_TRY(withdraw(netns_cookie, &netns));
        cut = netns_cookie;
        return {};
    }

    Result<EnrolledPod> check(const Netns&, std::uint64_t netns_cookie) const override {
        const std::lock_guard guard(mutex_);
        if (thrown_at_ == netns_cookie) {
            throw std::runtime_error("out of everything");
        }
        if (!check_failure.empty()) {
            return Error(check_failure);
        }
        if (enrolments_.count(netns_cookie) == 0) {
            return Error("the pod is not in the pods map");
        }
        const auto made = made_.find(netns_cookie);
        return made == made_.end() ? describe(enrolments_.at(netns_cookie)) : made->second;
    }

    Result<std::vector<std::uint64_t>> pods_to_enrol_again() const override { return asked_again; }
    std::vector<PodEvent> take_events() override { return std::exchange(events, {}); }
    std::vector<std::string> verify_node() override { return std::exchange(repaired, {}); }

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
        ++listings;
        const std::lock_guard guard(mutex_);
        std::vector<EnrolledPod> pods;
        for (const auto& [cookie, enrolment] : enrolments_) {
            pods.push_back(describe(enrolment));
        }
        return pods;
    }
    Result<std::optional<EnrolledPod>> pod(std::uint64_t netns_cookie) const override {
        const std::lock_guard guard(mutex_);
        const auto found = enrolments_.find(netns_cookie);
        return found == enrolments_.end() ? std::optional<EnrolledPod>()
                                          : std::optional(describe(found->second));
    }
    Result<std::vector<DatapathMap>> maps() const override {
        ++map_counts;
        if (unreadable) {
            return Error("maps cannot be read");
        }
        return std::vector<DatapathMap>{{"fsm_pods", 7, 1, 4096}, {"fsm_counters", 8, 9, 9, false}};
    }
    Result<std::vector<DatapathProgram>> programs() const override {
        return std::vector<DatapathProgram>{{"fsm_connect4", "cgroup/connect4", 5, true}};
    }
    Result<std::vector<CounterValue>> counters() const override {
        return std::vector<CounterValue>{{"connect_outbound", "Connects", 42},
                                         {"listener_seen", "Listeners", 7}};
    }
    Result<std::vector<ProgramStatistics>> program_statistics() const override {
        return statistics;
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
    bool withdrawn_with_netns() const {
        const std::lock_guard guard(mutex_);
        return withdrawn_with_netns_;
    }
    // What an earlier process, or a lost one, left in the kernel.
    void plant(const PodEnrolment& enrolment) {
        const std::lock_guard guard(mutex_);
        enrolments_[enrolment.netns_cookie] = enrolment;
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

    // What no code of ours should do. 0: no pod.
    void throw_at_check_of(std::uint64_t cookie) {
        const std::lock_guard guard(mutex_);
        thrown_at_ = cookie;
    }

    std::chrono::milliseconds enrol_time{0};
    std::string enrol_failure;
    std::string withdraw_failure;
    std::string check_failure;
    bool unreadable = false;
    InboundMechanism inbound = InboundMechanism::sk_lookup;
    std::string inbound_reason;
    std::vector<std::uint64_t> asked_again;     // what pods_to_enrol_again() answers
    std::vector<std::string> repaired;          // what verify_node() answers, once
    std::vector<PodEvent> events;               // what take_events() answers, once
    std::vector<ProgramStatistics> statistics;  // what program_statistics() answers
    std::uint64_t cut = 0;                      // the pod whose open connections were cut
    std::atomic<int> sweeps = 0;
    mutable std::atomic<int> map_counts = 0;  // calls of maps()
    mutable std::atomic<int> listings = 0;    // calls of pods()

  private:
    EnrolledPod describe(const PodEnrolment& enrolment) const {
        EnrolledPod pod;
        pod.netns_cookie = enrolment.netns_cookie;
        pod.addresses = enrolment.addresses;
        pod.inbound = inbound;
        pod.inbound_reason = inbound_reason;
        for (const auto& [owner, other] : enrolments_) {
            for (const auto& address : enrolment.addresses) {
                if (owner != enrolment.netns_cookie && other.given.contains(address)) {
                    pod.conflicts.push_back({address, owner});
                }
            }
        }
        return pod;
    }

    mutable std::mutex mutex_;
    std::map<std::uint64_t, PodEnrolment> enrolments_;
    std::map<std::uint64_t, EnrolledPod> made_;  // by enrol()
    std::string sweep_failure_;
    std::uint64_t thrown_at_ = 0;
    std::vector<Problem> conditions_;
    int enrol_calls_ = 0;
    bool withdrawn_with_netns_ = false;
    std::vector<KernelCapability> capabilities_ = {{"sk_lookup", true, "Linux 5.9"}};
    std::string reason_ = "the kernel passes the order and flow-control probe";
};

}  // namespace fsm::testing
