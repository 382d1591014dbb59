// KernelDatapath: the Datapath on libbpf. open.cpp creates it after everything is loaded and
// attached; this class connects its parts, each of which owns its maps and its lock:
//
//   enrolling a pod    EnrolSteps, over PodTable, PolicyStore, ListenerBook, InboundAttachment and
//                      AddressBook (pod_parts.h)
//   checking it        check_pod(), the same parts
//   withdrawing it     withdraw_pod()
//   the whole node     NodeAttachments, Sweeper
//   the inventory      Inventory
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/keyed_mutex.h"
#include "interceptor/datapath/connection_list.h"
#include "interceptor/datapath/event_reader.h"
#include "interceptor/datapath/inventory.h"
#include "interceptor/datapath/kernel_probe.h"
#include "interceptor/datapath/node_attachments.h"
#include "interceptor/datapath/options.h"
#include "interceptor/datapath/other_containers.h"
#include "interceptor/datapath/pins.h"
#include "interceptor/datapath/pod_parts.h"
#include "interceptor/datapath/program_statistics.h"
#include "interceptor/datapath/programs.h"
#include "interceptor/datapath/sweeper.h"
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

    // Takes over the pods of an earlier process.
    static Result<std::unique_ptr<KernelDatapath>> create(Parts parts);

    Result<EnrolledPod> enrol(const Netns& netns, const PodEnrolment& enrolment) override;
    Result<void> withdraw(std::uint64_t netns_cookie, const Netns* netns) override;
    Result<EnrolledPod> check(const Netns& netns, std::uint64_t netns_cookie) const override;

    Result<void> set_other_containers(std::uint64_t netns_cookie, const OtherContainers& before,
                                      const OtherContainers& now) override {
        return put_other_containers(containers_, netns_cookie, before, now);
    }
    Result<std::map<std::uint64_t, OtherContainers>> other_containers() const override {
        return read_other_containers(containers_);
    }

    std::vector<std::string> verify_node() override;
    Result<std::vector<std::uint64_t>> pods_to_enrol_again() const override {
        return table_.with_refused_listeners();
    }
    std::vector<PodEvent> take_events() override {
        return events_ == nullptr ? std::vector<PodEvent>() : events_->take();
    }
    Result<void> sweep() override { return sweeper_.sweep(); }

    std::vector<Problem> node_conditions() const override { return parts_.node.broken(); }
    Result<std::vector<EnrolledPod>> pods() const override { return inventory_.pods(); }
    Result<std::optional<EnrolledPod>> pod(std::uint64_t netns_cookie) const override {
        return inventory_.pod(netns_cookie);
    }
    Result<std::vector<DatapathMap>> maps() const override { return inventory_.maps(); }
    Result<std::vector<DatapathProgram>> programs() const override { return inventory_.programs(); }
    Result<std::vector<ProgramStatistics>> program_statistics() const override {
        return meter_ == nullptr ? std::vector<ProgramStatistics>() : meter_->read();
    }
    Result<std::vector<CounterValue>> counters() const override { return inventory_.counters(); }
    Result<std::vector<OpenSocket>> open_sockets() const override {
        return list_open_sockets(parts_.options, parts_.loaded);
    }
    const std::vector<KernelCapability>& capabilities() const override {
        return parts_.probe.capabilities;
    }
    Acceleration automatic_acceleration() const override { return parts_.probe.automatic; }
    const std::string& automatic_acceleration_reason() const override {
        return parts_.probe.reason;
    }

  private:
    KernelDatapath(Parts parts, const DatapathMaps& maps);

    Result<void> learn_pods();
    bool is_alive(std::uint64_t netns_cookie) const;
    Result<void> withdraw_if_dead(std::uint64_t netns_cookie);

    Parts parts_;
    const ContainersMap containers_;
    PodTable table_;
    PolicyStore policies_;
    AddressBook addresses_;
    const ListenerBook listeners_;
    const TcFlows flows_;
    const PodParts pod_parts_;
    const Inventory inventory_;
    Sweeper sweeper_;
    std::unique_ptr<EventReader> events_;          // null: not loaded
    std::unique_ptr<ProgramMeter> meter_;          // null: no statistics are wanted
    mutable KeyedMutex<std::uint64_t> pod_locks_;  // by cookie; before the locks of the parts
};

}  // namespace fsm
