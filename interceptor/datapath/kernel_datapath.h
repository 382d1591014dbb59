// KernelDatapath: the Datapath on libbpf. Made by open.cpp, which has loaded and attached
// everything; this class puts a pod together from its parts, each of which owns its maps: lists
// (PolicyStore), addresses (AddressBook), listeners (listeners.h), inbound mechanism
// (InboundAttachment), and the entry that switches the pod over (fsm_pods).
//
// Locks: changes of one pod are serialised by its own lock, so that pods do not wait for each
// other; mutex_ guards what is remembered of all pods, and is never held while a part is called.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/keyed_mutex.h"
#include "interceptor/datapath/address_book.h"
#include "interceptor/datapath/inbound_attachment.h"
#include "interceptor/datapath/kernel_probe.h"
#include "interceptor/datapath/listeners.h"
#include "interceptor/datapath/node_attachments.h"
#include "interceptor/datapath/options.h"
#include "interceptor/datapath/other_containers.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/policy.h"
#include "interceptor/datapath/policy_store.h"
#include "interceptor/datapath/programs.h"
#include "interceptor/datapath/undo_log.h"
#include "interceptor/interception/datapath.h"

namespace fsm {

class KernelDatapath : public Datapath {
  public:
    struct Parts {
        DatapathOptions options;
        DatapathLock lock;
        PinTree tree;
        NodeAttachments node;
        LoadedObject loaded;
        std::unique_ptr<InboundAttachment> inbound;
        KernelProbe probe;
    };

    static Result<std::unique_ptr<KernelDatapath>> create(Parts parts);

    Result<EnrolledPod> enrol(const Netns& netns, const PodEnrolment& enrolment) override;
    Result<void> withdraw(std::uint64_t netns_cookie, const Netns* netns) override;
    Result<void> set_other_containers(std::uint64_t netns_cookie, const OtherContainers& before,
                                      const OtherContainers& now) override {
        return put_other_containers(map("fsm_containers"), netns_cookie, before, now);
    }
    Result<std::map<std::uint64_t, OtherContainers>> other_containers() const override {
        return read_other_containers(map("fsm_containers"));
    }
    Result<EnrolledPod> check(const Netns& netns, std::uint64_t netns_cookie) const override;
    Result<std::vector<std::uint64_t>> pods_to_enrol_again() const override;
    std::vector<std::string> verify_node() override;
    std::vector<Problem> node_conditions() const override { return parts_.node.broken(); }
    Result<void> sweep() override;
    Result<std::vector<EnrolledPod>> pods() const override;
    Result<std::optional<EnrolledPod>> pod(std::uint64_t netns_cookie) const override;
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
    // What this process, or an earlier one, has enrolled. Of an earlier one's pods only the entry
    // is known until they are enrolled again.
    struct PodRecord {
        std::optional<PodEnrolment> enrolment;
        PodDecision decision;
        std::string inbound_reason;
        // Of fsm_observed when the pod was last enrolled.
        std::uint32_t refused = 0;
        // Why something of what the pod had before is still there.
        std::string not_removed;
    };
    struct InboundChoice {
        InboundMechanism mechanism = InboundMechanism::sk_lookup;
        std::string reason;  // why it is not the first choice of "auto"
    };

    explicit KernelDatapath(Parts parts);

    Result<void> learn_pods();
    const BpfMap& map(const char* name) const { return parts_.loaded.maps.at(name); }
    bool has_programs(std::initializer_list<const char*> names) const;
    bool has_lookup() const;
    bool has_tc() const;
    bool is_alive(std::uint64_t netns_cookie) const;

    std::optional<PodRecord> record_of(std::uint64_t netns_cookie) const;
    Result<std::optional<struct fsm_pod>> entry_of(std::uint64_t netns_cookie) const;
    Result<struct fsm_observed> observed_of(std::uint64_t netns_cookie) const;

    // With the pod's lock held.
    Result<EnrolledPod> enrol_by_steps(const Netns& netns, const PodEnrolment& enrolment,
                                       UndoLog& undo);
    Result<void> add_listeners(const Netns& netns, const PodEnrolment& enrolment,
                               const std::vector<ListeningSocket>& sockets, UndoLog& undo);
    Result<InboundChoice> choose_inbound(const PodEnrolment& enrolment,
                                         const Result<void>& listeners_taken,
                                         const std::vector<ListeningSocket>& sockets) const;
    Acceleration decide_acceleration(const InterceptionPolicy& policy) const;
    Result<void> add_usage(std::uint64_t netns_cookie, UndoLog& undo);
    Result<void> switch_pod(std::uint64_t netns_cookie, const struct fsm_pod& entry, UndoLog& undo);
    Result<void> remove_superseded(const Netns& netns, const PodRecord& now,
                                   const std::optional<struct fsm_pod>& former);
    Result<void> retire_inbound(const Netns& netns, const PodRecord& now);
    Result<bool> has_open_flows(std::uint64_t netns_cookie) const;
    Result<void> end_filters(const Netns& netns, std::uint64_t netns_cookie,
                             const struct fsm_pod& entry);
    Result<void> withdraw_locked(std::uint64_t netns_cookie, const Netns* netns);
    Result<void> withdraw_if_dead(std::uint64_t netns_cookie);

    Result<void> check_adopted(const Netns& netns, std::uint64_t netns_cookie,
                               const struct fsm_pod& entry) const;
    Result<void> check_entries(const struct fsm_pod& entry, const PodRecord& record) const;
    Result<void> check_listeners_of(const Netns& netns, std::uint64_t netns_cookie,
                                    const struct fsm_pod& entry) const;

    Result<void> sweep_flows();
    Result<void> withdraw_dead_pods();

    Result<bool> is_attached(const ProgramSpec& spec, const std::vector<EnrolledPod>& pods) const;
    Result<EnrolledPod> describe(std::uint64_t netns_cookie, const struct fsm_pod& entry) const;

    Parts parts_;
    PolicyStore policies_;
    InboundAttachment& inbound_;
    AddressBook addresses_;
    mutable KeyedMutex<std::uint64_t> pod_locks_;  // by cookie; locked before mutex_
    std::mutex sweeping_;                          // locked before everything else
    mutable std::mutex mutex_;
    std::map<std::uint64_t, PodRecord> pods_;  // that are enrolled, by cookie
};

ListenerPorts listener_ports(const struct fsm_pod& entry);

}  // namespace fsm
