// IptablesDatapath: the Datapath for nodes whose kernel is too old for the BPF programs. The rules
// that the meshes' own init containers make are made from outside, in the pod's network namespace,
// from the same policy.
//
// What iptables cannot do: no acceleration; IPv6 with `when_listening` is looked at every few
// seconds instead of at the moment at which the sidecar listens; a pod whose network namespace
// belongs to a user namespace of its own is refused.
//
// The rules live and die with the namespace; which pods have them is remembered on disk
// (PodRecords). When they are withdrawn, one rule to which nothing leads stays (tracking_rules()):
// without it the connections that were redirected and are still open would be cut.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/keyed_mutex.h"
#include "interceptor/interception/datapath.h"
#include "interceptor/iptables/namespace_rules.h"
#include "interceptor/iptables/pod_records.h"
#include "interceptor/iptables/tools.h"

namespace fsm {

struct IptablesOptions {
    // Where it is remembered which pods have rules.
    std::string run_directory = "/var/run/fsm";
    // Where the node's namespaces are found ("/host/proc" in a container).
    std::string proc = "/proc";
};

class IptablesDatapath : public Datapath {
  public:
    // Finds the tools, and tries them in a network namespace of its own.
    static Result<std::unique_ptr<IptablesDatapath>> open(const IptablesOptions& options);

    // Removes every rule that an instance with this run directory has made in namespaces that are
    // alive. What cannot be removed is in the error. Needs the tools only when there is something.
    static Result<void> uninstall(const IptablesOptions& options);

    // When every pod has been withdrawn and another data path goes on: what is left on disk, but
    // not what keeps open connections going.
    static Result<void> remove_records(const IptablesOptions& options);

    // Whether an earlier process has left rules, or may have.
    static Result<bool> has_left_rules(const IptablesOptions& options);

    Result<EnrolledPod> enrol(const Netns& netns, const PodEnrolment& enrolment) override;
    Result<void> withdraw(std::uint64_t netns_cookie, const Netns* netns) override;
    Result<void> withdraw_and_cut(std::uint64_t netns_cookie, const Netns& netns) override;
    Result<EnrolledPod> check(const Netns& netns, std::uint64_t netns_cookie) const override;
    Result<void> sweep() override;
    // Those of an earlier process too, from their records.
    Result<std::vector<EnrolledPod>> pods() const override;
    Result<std::optional<EnrolledPod>> pod(std::uint64_t netns_cookie) const override;
    Result<std::vector<DatapathMap>> maps() const override;
    Result<std::vector<DatapathProgram>> programs() const override;
    Result<std::vector<CounterValue>> counters() const override;
    const std::vector<KernelCapability>& capabilities() const override {
        return rules_.capabilities();
    }
    Acceleration automatic_acceleration() const override { return Acceleration::off; }
    const std::string& automatic_acceleration_reason() const override { return reason_; }

  private:
    // Where a namespace was when it was last seen.
    struct NetnsLocation {
        std::string path;
        NetnsIdentity identity;
    };
    struct Pod {
        std::vector<IpAddress> addresses;
        // Absent: enrolled by an earlier process only.
        std::optional<PodEnrolment> enrolment;
        MadeRules rules;
        NetnsLocation location;
    };

    IptablesDatapath(IptablesOptions options, ChosenTool chosen)
        : options_(std::move(options)),
          rules_(std::move(chosen)),
          records_(PodRecords::intercepted(options_.run_directory)),
          tracked_records_(PodRecords::tracked(options_.run_directory)) {}

    // Records whose namespaces are gone are dropped.
    Result<void> load();
    Result<void> release(std::uint64_t netns_cookie, const Netns& netns);
    void forget_tracking_of(std::uint64_t netns_cookie);
    Result<void> forget_tracked();
    static std::optional<Netns> find_again(const NetnsLocation& location);

    std::optional<Pod> find(std::uint64_t netns_cookie) const;
    // With the pod's lock held.
    Result<void> forget_pod(std::uint64_t netns_cookie);
    Result<EnrolledPod> enrol_locked(const Netns& netns, const PodEnrolment& enrolment);
    Result<void> follow_listeners(std::uint64_t netns_cookie, const Pod& pod);
    static bool waits_for_ipv6(const Pod& pod);
    static EnrolledPod describe(std::uint64_t netns_cookie, const Pod& pod);

    const IptablesOptions options_;
    const NamespaceRules rules_;
    const PodRecords records_;
    const PodRecords tracked_records_;
    const std::string reason_ =
        "trafficInterceptionMode is iptables: acceleration needs the BPF programs of mode ebpf";
    mutable KeyedMutex<std::uint64_t> pod_locks_;  // by cookie; locked before mutex_
    mutable std::mutex mutex_;                     // held for these maps, never for files
    std::map<std::uint64_t, Pod> pods_;
    std::map<std::uint64_t, NetnsLocation> tracked_;  // that this process has let go
    std::atomic<std::uint64_t> applied_ = 0;
    std::atomic<std::uint64_t> failed_ = 0;
    std::atomic<std::uint64_t> removed_ = 0;
};

}  // namespace fsm
