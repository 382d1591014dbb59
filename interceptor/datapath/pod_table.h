// PodTable: the enrolled pods: the entry by which the programs know a pod (fsm_pods), what they
// have observed of it (fsm_observed), what it holds (fsm_usage), and this process's own data.
//
// Threads: every function may be called from any thread; calls for one pod must not overlap.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"
#include "interceptor/datapath/datapath_maps.h"
#include "interceptor/datapath/policy.h"
#include "interceptor/datapath/undo_log.h"
#include "interceptor/interception/enrolment.h"

namespace fsm {

// Pods that this process, or an earlier one, has enrolled. For an earlier one's pods only the entry
// is known until they are enrolled again.
struct PodRecord {
    std::optional<PodEnrolment> enrolment;
    PodDecision decision;
    std::string inbound_reason;
    // From fsm_observed at the latest enrolment.
    std::uint32_t refused = 0;
    // Why something of the pod's former state still exists.
    std::string not_removed;
};

InboundMechanism inbound_of(const struct fsm_pod& entry);

class PodTable {
  public:
    using Cookie = std::uint64_t;

    PodTable(PodsMap pods, ObservedMap observed, UsageMap usage)
        : pods_(pods), observed_(observed), usage_(usage) {}

    // Takes over the state of an earlier process.
    struct Learned {
        std::set<Cookie> pods;
        std::set<std::uint32_t> lists;  // the numbers of their lists (PolicyStore)
    };
    Result<Learned> learn();

    Result<std::optional<struct fsm_pod>> entry_of(Cookie pod) const { return pods_.lookup(pod); }
    Result<struct fsm_observed> observed_of(Cookie pod) const;
    Result<std::vector<std::pair<Cookie, struct fsm_pod>>> entries() const {
        return pods_.entries();
    }

    std::optional<PodRecord> record_of(Cookie pod) const;
    void remember(Cookie pod, const PodRecord& record);
    void forget_record(Cookie pod);

    // Switches the programs to `entry`.
    Result<void> switch_to(Cookie pod, const struct fsm_pod& entry, UndoLog& undo);
    Result<void> change(Cookie pod, const struct fsm_pod& entry) { return pods_.put(pod, entry); }
    Result<void> add_usage(Cookie pod, UndoLog& undo);
    // The programs no longer know the pod.
    Result<void> switch_off(Cookie pod);
    // Removes their observations of it.
    Result<void> forget_notes(Cookie pod);

    // Whether the maps contain the enrolment's entries; the error names the differences.
    Result<void> check(const struct fsm_pod& entry, const PodRecord& record) const;

    // The pods on sk_lookup with a listener that fsm_listeners has refused since their enrolment.
    Result<std::vector<Cookie>> with_refused_listeners() const;

  private:
    const PodsMap pods_;
    const ObservedMap observed_;
    const UsageMap usage_;
    mutable std::mutex mutex_;
    std::map<Cookie, PodRecord> records_;
};

}  // namespace fsm
