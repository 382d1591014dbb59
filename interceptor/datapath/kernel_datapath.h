// KernelDatapath: the Datapath on libbpf. Made by open.cpp, which has loaded and attached
// everything; this class changes pods and reads the state.
//
// Locks: changes of one pod are serialised by its own lock, so that pods do not wait for each
// other; mutex_ guards what is remembered of all pods and who has which address, and is never held
// while a namespace is entered or an RCU grace period is waited for.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/keyed_mutex.h"
#include "interceptor/datapath/cgroup_links.h"
#include "interceptor/datapath/datapath.h"
#include "interceptor/datapath/kernel_probe.h"
#include "interceptor/datapath/link_locals.h"
#include "interceptor/datapath/listeners.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/pod_ids.h"
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
    struct PodRecord {
        std::uint32_t pod_id = 0;
        std::vector<IpAddress> addresses;
    };
    using Cookies = std::set<std::uint64_t>;

    explicit KernelDatapath(Parts parts)
        : parts_(std::move(parts)), link_locals_(parts_.maps.at("fsm_pod_ips")) {}

    Result<void> learn_pods();
    const BpfMap& map(const char* name) const { return parts_.maps.at(name); }
    int program(const char* name) const;
    bool has_lookup() const;
    bool has_tc() const;
    TcPrograms tc_programs() const;

    bool is_recorded(std::uint64_t netns_cookie) const;
    std::optional<PodRecord> record_of(std::uint64_t netns_cookie) const;

    // With the pod's lock held.
    Result<EnrolledPod> enrol_by_steps(const Netns& netns, const PodEnrolment& enrolment,
                                       UndoLog& undo);
    // Returns what was recorded of the pod before.
    std::optional<PodRecord> record(std::uint64_t netns_cookie, PodRecord pod,
                                    const Cookies& displaced);
    Result<void> remove_superseded(const Netns& netns, const PodEnrolment& enrolment,
                                   const PodRecord& former, const struct fsm_pod& entry);
    Acceleration decide_acceleration(const InterceptionPolicy& policy) const;
    std::uint32_t reserve_pod_id(UndoLog& undo);
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
    // Returns whose addresses they were.
    Result<Cookies> add_addresses(const PodEnrolment& enrolment, UndoLog& undo);
    Result<void> give_back_address(const struct fsm_address& key, std::uint64_t from,
                                   std::optional<std::uint64_t> to);
    // Unless another pod has it by now.
    Result<void> remove_address(const IpAddress& address, std::uint64_t netns_cookie);
    Result<void> set_link_locals(const PodEnrolment& enrolment, UndoLog& undo);
    Result<void> switch_pod(std::uint64_t netns_cookie, const struct fsm_pod& entry, UndoLog& undo);
    Result<std::uint32_t> note_listeners(std::uint64_t netns_cookie, const ListenerPorts& ports,
                                         const std::vector<ListeningSocket>& sockets);
    Result<void> purge_retired_policies();
    Result<void> withdraw_locked(std::uint64_t netns_cookie, const Netns* netns);
    Result<void> sweep_flows();
    Result<void> withdraw_dead_pods();
    Result<void> withdraw_if_dead(std::uint64_t netns_cookie);
    Result<void> check_inbound(const Netns& netns, std::uint64_t netns_cookie,
                               const struct fsm_pod& entry) const;
    Result<void> check_listeners(const Netns& netns, std::uint64_t netns_cookie,
                                 const struct fsm_pod& entry) const;
    Result<bool> is_attached(const ProgramSpec& spec, std::uint32_t id) const;
    EnrolledPod describe(std::uint64_t netns_cookie, const struct fsm_pod& entry,
                         std::uint32_t seen) const;

    Parts parts_;
    PodIds ids_;
    LinkLocals link_locals_;
    mutable KeyedMutex<std::uint64_t> pod_locks_;  // by cookie; locked before mutex_
    std::mutex sweeping_;                          // locked before everything else
    mutable std::mutex mutex_;
    std::map<std::uint64_t, PodRecord> pods_;  // that are enrolled, by cookie
};

ListenerPorts listener_ports(const struct fsm_pod& entry);

// Runs sock_diag inside the namespace.
Result<std::vector<ListeningSocket>> listening_sockets_in(const Netns& netns);

}  // namespace fsm
