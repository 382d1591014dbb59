// IptablesDatapath: the Datapath for kernels that are too old for the BPF programs. It creates the
// rules of the meshes' init containers from outside, in the pod's network namespace, from the same
// policy.
//
// Limitations: no acceleration; IPv6 with `when_listening` is checked every few seconds instead of
// when the sidecar listens; a pod whose network namespace belongs to a separate user namespace is
// refused.
//
// The rules exist as long as the namespace; records on disk list the pods that have rules
// (PodRecords). After a withdrawal one unused rule stays (tracking_rules()): without it, redirected
// connections that are still open would be cut.
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
    // The directory of the records of pods that have rules.
    std::string run_directory = "/var/run/fsm";
    // The node's processes, to find namespaces ("/host/proc" in a container).
    std::string proc = "/proc";
};

class IptablesDatapath : public Datapath {
  public:
    // Finds the tools, and probes them in a separate network namespace.
    static Result<std::unique_ptr<IptablesDatapath>> open(const IptablesOptions& options);

    // Removes every rule that an instance with this run directory has created in living namespaces.
    // The error lists what cannot be removed. Needs the tools only if there are rules.
    static Result<void> uninstall(const IptablesOptions& options);

    // Called when every pod has been withdrawn and another data path takes over: removes the files,
    // but not what keeps open connections working.
    static Result<void> remove_records(const IptablesOptions& options);

    // Whether an earlier process has left rules, or may have.
    static Result<bool> has_left_rules(const IptablesOptions& options);

    Result<EnrolledPod> enrol(const Netns& netns, const PodEnrolment& enrolment) override;
    Result<void> withdraw(std::uint64_t netns_cookie, const Netns* netns) override;
    Result<void> withdraw_and_cut(std::uint64_t netns_cookie, const Netns& netns) override;
    Result<EnrolledPod> check(const Netns& netns, std::uint64_t netns_cookie) const override;
    Result<void> sweep() override;
    // Including those of an earlier process, from their records.
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
    // The last known location of a namespace.
    struct NetnsLocation {
        std::string path;
        NetnsIdentity identity;
    };
    struct Pod {
        std::vector<IpAddress> addresses;
        // Absent: only enrolled by an earlier process.
        std::optional<PodEnrolment> enrolment;
        MadeRules rules;
        NetnsLocation location;
    };

    IptablesDatapath(IptablesOptions options, ChosenTool chosen)
        : options_(std::move(options)),
          rules_(std::move(chosen)),
          records_(PodRecords::intercepted(options_.run_directory)),
          tracked_records_(PodRecords::tracked(options_.run_directory)) {}

    // Drops records whose namespaces no longer exist.
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
    std::map<std::uint64_t, NetnsLocation> tracked_;  // released by this process
    std::atomic<std::uint64_t> applied_ = 0;
    std::atomic<std::uint64_t> failed_ = 0;
    std::atomic<std::uint64_t> removed_ = 0;
};

}  // namespace fsm
