#include "interceptor/datapath/pod_table.h"

#include <cstring>

#include "common/failures.h"

namespace fsm {

InboundMechanism inbound_of(const struct fsm_pod& entry) {
    return (entry.flags & FSM_POD_INBOUND_TC) != 0 ? InboundMechanism::tc
                                                   : InboundMechanism::sk_lookup;
}

Result<PodTable::Learned> PodTable::learn() {
    Learned learned;
    FSM_ASSIGN(const auto entries, pods_.entries());
    const std::lock_guard guard(mutex_);
    for (const auto& [cookie, entry] : entries) {
        PodRecord record;
        record.decision = {entry.pod_id, inbound_of(entry), acceleration_of(entry.scope),
                           entry.listeners};
        records_.emplace(cookie, record);
        learned.lists.insert(entry.pod_id);
        learned.pods.insert(cookie);
        FSM_TRY(usage_.put_new(cookie, fsm_usage{}));
    }
    return learned;
}

Result<struct fsm_observed> PodTable::observed_of(Cookie pod) const {
    FSM_ASSIGN(const auto observed, observed_.lookup(pod));
    return observed.value_or(fsm_observed{});
}

std::optional<PodRecord> PodTable::record_of(Cookie pod) const {
    const std::lock_guard guard(mutex_);
    const auto found = records_.find(pod);
    return found == records_.end() ? std::nullopt : std::optional(found->second);
}

void PodTable::remember(Cookie pod, const PodRecord& record) {
    const std::lock_guard guard(mutex_);
    records_.insert_or_assign(pod, record);
}

void PodTable::forget_record(Cookie pod) {
    const std::lock_guard guard(mutex_);
    records_.erase(pod);
}

Result<void> PodTable::switch_to(Cookie pod, const struct fsm_pod& entry, UndoLog& undo) {
    FSM_ASSIGN(const auto before, pods_.lookup(pod));
    FSM_TRY(pods_.put(pod, entry));
    undo.add([this, pod, before]() -> Result<void> {
        if (before) {
            return pods_.put(pod, *before);
        }
        FSM_TRY(observed_.remove(pod));
        FSM_TRY(pods_.remove(pod));
        return {};
    });
    return {};
}

Result<void> PodTable::add_usage(Cookie pod, UndoLog& undo) {
    FSM_ASSIGN(const bool made, usage_.put_new(pod, fsm_usage{}));
    if (made) {
        undo.add([this, pod]() -> Result<void> {
            FSM_TRY(usage_.remove(pod));
            return {};
        });
    }
    return {};
}

Result<void> PodTable::switch_off(Cookie pod) {
    FSM_TRY(pods_.remove(pod));
    return {};
}

Result<void> PodTable::forget_notes(Cookie pod) {
    Failures failures;
    failures.note(observed_.remove(pod));
    failures.note(usage_.remove(pod));
    return failures.result();
}

Result<void> PodTable::check(const struct fsm_pod& entry, const PodRecord& record) const {
    const struct fsm_pod wanted = pod_entry(*record.enrolment, record.decision);
    if (std::memcmp(&entry, &wanted, sizeof(entry)) != 0) {
        return Error("the pod's entry in map fsm_pods was changed");
    }
    FSM_ASSIGN(const auto usage, usage_.lookup(record.enrolment->netns_cookie));
    if (!usage) {
        return Error("map fsm_usage lacks the pod");
    }
    return {};
}

Result<std::vector<PodTable::Cookie>> PodTable::with_refused_listeners() const {
    std::vector<Cookie> pods;
    FSM_ASSIGN(const auto observed, observed_.entries());
    const std::lock_guard guard(mutex_);
    for (const auto& [cookie, what] : observed) {
        const auto record = records_.find(cookie);
        if (record != records_.end() && record->second.enrolment &&
            record->second.refused != what.refused &&
            record->second.decision.inbound == InboundMechanism::sk_lookup) {
            pods.push_back(cookie);
        }
    }
    return pods;
}

}  // namespace fsm
