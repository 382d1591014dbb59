// KernelDatapath: the Datapath on libbpf. Made by open.cpp, which has loaded and attached
// everything; this class changes pods and reads the state.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "interceptor/datapath/cgroup_links.h"
#include "interceptor/datapath/datapath.h"
#include "interceptor/datapath/kernel_probe.h"
#include "interceptor/datapath/listeners.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/pod_pins.h"
#include "interceptor/datapath/policy.h"
#include "interceptor/datapath/programs.h"
#include "interceptor/datapath/undo_log.h"

namespace fsm {

class KernelDatapath : public Datapath {
  public:
    struct Parts {
        DatapathOptions options;
        DatapathLock lock;
        PinTree tree;
        CgroupLinks links;
        MapSet maps;
        std::map<std::string, Fd> programs;
        KernelProbe probe;
    };

    static Result<std::unique_ptr<KernelDatapath>> create(Parts parts);

    Result<EnrolledPod> enrol(const Netns& netns, const PodEnrolment& enrolment) override;
    Result<void> withdraw(std::uint64_t netns_cookie, const Netns* netns) override;
    Result<void> forget_address(const IpAddress& address, std::uint64_t keep) override;
    Result<void> check(const Netns& netns, std::uint64_t netns_cookie) const override;
    Result<void> sweep() override;
    Result<std::vector<EnrolledPod>> pods() const override;
    Result<std::vector<DatapathMap>> maps() const override;
    Result<std::vector<DatapathProgram>> programs() const override;
    Result<std::vector<CounterValue>> counters() const override;
    const std::vector<KernelCapability>& capabilities() const override {
        return parts_.probe.capabilities;
    }
    Acceleration automatic_acceleration() const override { return parts_.probe.automatic; }
    const std::string& automatic_acceleration_reason() const override {
        return parts_.probe.reason;
    }

  private:
    struct Decided {
        PodDecision decision;
        std::vector<ListeningSocket> listeners;
    };

    explicit KernelDatapath(Parts parts) : parts_(std::move(parts)) {}

    Result<void> learn_pods();
    const BpfMap& map(const char* name) const { return parts_.maps.at(name); }
    int program(const char* name) const;
    bool has_lookup() const;
    bool has_tc() const;
    TcPrograms tc_programs() const;

    Result<EnrolledPod> enrol_by_steps(const Netns& netns, const PodEnrolment& enrolment,
                                       UndoLog& undo);
    Result<void> remove_superseded(const Netns& netns, const PodEnrolment& enrolment,
                                   const struct fsm_pod& entry);
    Acceleration decide_acceleration(const InterceptionPolicy& policy) const;
    std::uint32_t fresh_pod_id();
    Result<void> add_policy(const PolicyEntries& entries, UndoLog& undo);
    Result<void> add_listeners(const Netns& netns, const PodEnrolment& enrolment,
                               const std::vector<ListeningSocket>& sockets, UndoLog& undo);
    Result<InboundMechanism> choose_inbound(const PodEnrolment& enrolment,
                                            const Result<void>& listeners_taken) const;
    Result<void> attach_inbound(const Netns& netns, const PodEnrolment& enrolment,
                                InboundMechanism inbound, UndoLog& undo);
    Result<void> attach_tc_filters(const Netns& netns, const PodEnrolment& enrolment,
                                   UndoLog& undo);
    Result<void> detach_tc_filters(const Netns& netns, std::uint64_t netns_cookie);
    Result<void> add_addresses(const PodEnrolment& enrolment, UndoLog& undo);
    Result<void> switch_pod(std::uint64_t netns_cookie, const struct fsm_pod& entry, UndoLog& undo);
    Result<std::uint32_t> note_listeners(std::uint64_t netns_cookie, const ListenerPorts& ports,
                                         const std::vector<ListeningSocket>& sockets);
    Result<void> purge_retired_policies();
    Result<void> withdraw_locked(std::uint64_t netns_cookie, const Netns* netns);
    Result<void> sweep_flows();
    Result<void> withdraw_dead_pods();
    Result<void> check_inbound(const Netns& netns, std::uint64_t netns_cookie,
                               const struct fsm_pod& entry) const;
    Result<void> check_listeners(const Netns& netns, std::uint64_t netns_cookie,
                                 const struct fsm_pod& entry) const;
    Result<bool> is_attached(const ProgramSpec& spec, std::uint32_t id) const;
    EnrolledPod describe(std::uint64_t netns_cookie, const struct fsm_pod& entry,
                         std::uint32_t seen) const;

    Parts parts_;
    mutable std::mutex mutex_;
    std::map<std::uint64_t, std::vector<IpAddress>> addresses_;  // of enrolled pods
    std::set<std::uint32_t> living_ids_;                         // pod ids in use
    bool has_retired_policies_ = false;
    std::uint32_t next_pod_id_ = 1;
};

ListenerPorts listener_ports(const struct fsm_pod& entry);

// Runs sock_diag inside the namespace.
Result<std::vector<ListeningSocket>> listening_sockets_in(const Netns& netns);

}  // namespace fsm
