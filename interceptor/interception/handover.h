// Handover: one data path takes over the pods of another, one by one, so that each pod is always
// intercepted and ends with exactly one mechanism.
//
// A pod is enrolled in the new data path first and withdrawn from the former one by a later
// sweep(): a connect() that passed the new one before it had the pod, and sends its first packet
// afterwards, must still be handled by the former one. While both have a pod, the BPF programs and
// the iptables rules agree on the route of a connection.
//
// Except with inbound tc, on either side: its filters change ports before connection tracking sees
// a packet, and connection tracking's entries of redirected connections would change the ports of
// new ones. There the former one releases the pod at once, and resets the connections that depended
// on it.
//
// A pod that is not enrolled again, for example because the pod source does not know it yet, keeps
// the former one's interception. When the former one has no pods left, it is removed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "common/failures.h"
#include "common/netns.h"
#include "interceptor/interception/datapath.h"

namespace fsm {

// Threads: as every Datapath.
class Handover : public Datapath {
  public:
    // Longer than the time between a connect() and its first packet.
    static constexpr std::chrono::milliseconds kOverlap{1000};

    // `remove_former` removes the remains of the former one when it has no pods; it is called by
    // the sweep() after the one that has destroyed `former`, and again by the next one after a
    // failure.
    Handover(std::unique_ptr<Datapath> current, std::unique_ptr<Datapath> former,
             std::function<Result<void>()> remove_former,
             std::chrono::milliseconds overlap = kOverlap)
        : current_(std::move(current)),
          overlap_(overlap),
          former_(std::move(former)),
          remove_former_(std::move(remove_former)) {}

    Result<EnrolledPod> enrol(const Netns& netns, const PodEnrolment& enrolment) override;
    Result<void> withdraw(std::uint64_t netns_cookie, const Netns* netns) override;
    Result<void> set_other_containers(std::uint64_t netns_cookie, const OtherContainers& before,
                                      const OtherContainers& now) override {
        return current_->set_other_containers(netns_cookie, before, now);
    }
    Result<std::map<std::uint64_t, OtherContainers>> other_containers() const override {
        return current_->other_containers();
    }
    Result<EnrolledPod> check(const Netns& netns, std::uint64_t netns_cookie) const override {
        return current_->check(netns, netns_cookie);
    }
    Result<std::vector<std::uint64_t>> pods_to_enrol_again() const override {
        return current_->pods_to_enrol_again();
    }
    std::vector<std::string> verify_node() override;
    // Of both.
    std::vector<PodEvent> take_events() override;
    // Runs every part, whatever fails; the next call retries failures.
    Result<void> sweep() override;
    // Of both, while the former one has pods.
    std::vector<Problem> node_conditions() const override;
    // Of both.
    Result<std::vector<EnrolledPod>> pods() const override;
    Result<std::optional<EnrolledPod>> pod(std::uint64_t netns_cookie) const override;
    Result<std::vector<DatapathMap>> maps() const override { return current_->maps(); }
    Result<std::vector<DatapathProgram>> programs() const override { return current_->programs(); }
    Result<std::vector<ProgramStatistics>> program_statistics() const override {
        return current_->program_statistics();
    }
    Result<std::vector<CounterValue>> counters() const override { return current_->counters(); }
    Result<std::vector<OpenSocket>> open_sockets() const override {
        return current_->open_sockets();
    }
    const std::vector<KernelCapability>& capabilities() const override {
        return current_->capabilities();
    }
    Acceleration automatic_acceleration() const override {
        return current_->automatic_acceleration();
    }
    const std::string& automatic_acceleration_reason() const override {
        return current_->automatic_acceleration_reason();
    }

  private:
    using Clock = std::chrono::steady_clock;

    // The state of a pod that both have. A pod starts with the former one only and ends with the
    // current one only; it has no state then.
    enum class State : std::uint8_t {
        overlapping,  // the former one intercepts early connections
        cutting,      // the former one releases it, and resets its connections
    };
    struct Transfer {
        Netns netns;
        State state;
        Clock::time_point since;
    };
    using Transfers = std::map<std::uint64_t, Transfer>;  // by cookie

    Result<std::optional<EnrolledPod>> held_by_former(std::uint64_t netns_cookie) const;
    static State state_after(const EnrolledPod& by_former, const EnrolledPod& by_current);
    void begin(std::uint64_t netns_cookie, Transfer transfer);
    Transfers take_due();
    // The only place where a pod that both have enters its next state. A failure is left to the
    // next sweep(). With mutex_ held.
    Result<void> advance(std::uint64_t netns_cookie, Transfer transfer);
    void sweep_former(Failures& failures);
    Result<void> finish_when_empty();

    const std::unique_ptr<Datapath> current_;
    const std::chrono::milliseconds overlap_;
    std::mutex transfers_mutex_;  // locked by itself
    Transfers transfers_;
    mutable std::shared_mutex
        mutex_;  // protects former_: shared for its use, exclusive for its removal
    std::unique_ptr<Datapath> former_;
    std::function<Result<void>()> remove_former_;  // empty: it is done
};

}  // namespace fsm
