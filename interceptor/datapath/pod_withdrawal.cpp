#include "interceptor/datapath/pod_withdrawal.h"

#include "common/failures.h"

namespace fsm {
namespace {

// From here on the filters accept no new connection, and reset those that they translate. The pod's
// entry stays meanwhile, because it is needed to translate the resets.
Result<void> end_filters(const PodParts& parts, const Netns& netns, std::uint64_t netns_cookie,
                         const struct fsm_pod& entry) {
    if (!parts.inbound.has_filters(netns_cookie)) {
        return {};
    }
    struct fsm_pod ending = entry;
    ending.flags &= ~FSM_POD_INBOUND_TC;
    FSM_TRY(parts.table.change(netns_cookie, ending));
    Result<void> reset;
    FSM_TRY(netns.run([&] { reset = parts.flows.reset(netns_cookie); }));
    return reset;
}

}  // namespace

Result<void> withdraw_pod(const PodParts& parts, std::uint64_t netns_cookie, const Netns* netns) {
    FSM_ASSIGN(const auto entry, parts.table.entry_of(netns_cookie));
    if (entry && netns != nullptr) {
        FSM_TRY(end_filters(parts, *netns, netns_cookie, *entry));
    }
    FSM_TRY(parts.table.switch_off(netns_cookie));
    Failures failures;
    failures.note(parts.addresses.forget(netns_cookie));
    failures.note(parts.table.forget_notes(netns_cookie));
    failures.note(parts.inbound.detach(netns, netns_cookie));
    if (entry && netns != nullptr) {
        failures.note(
            parts.listeners.forget(netns_cookie, listener_ports(*entry), ListenerPorts()));
    }
    if (const auto record = parts.table.record_of(netns_cookie)) {
        parts.policies.retire(record->decision.pod_id);
    }
    if (failures.empty()) {
        parts.table.forget_record(netns_cookie);
    }
    return failures.result();
}

}  // namespace fsm
