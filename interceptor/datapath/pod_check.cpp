#include "interceptor/datapath/pod_check.h"

#include <cerrno>
#include <string>
#include <vector>

namespace fsm {
namespace {

Result<void> check_enrolled(const PodParts& parts, const Netns& netns, const struct fsm_pod& entry,
                            const PodRecord& record) {
    const PodEnrolment& enrolment = *record.enrolment;
    FSM_TRY(parts.table.check(entry, record));
    FSM_TRY(parts.policies.check(record.decision.pod_id, enrolment.policy));
    FSM_TRY(parts.addresses.check(enrolment));
    return parts.inbound.check(netns, enrolment, record.decision.inbound);
}

// A pod of an earlier process that this one has not enrolled again, because the pod source no
// longer has it: its expected state is unknown, except for its entry.
Result<void> check_adopted(const PodParts& parts, const Netns& netns, std::uint64_t netns_cookie,
                           const struct fsm_pod& entry) {
    if (inbound_of(entry) == InboundMechanism::tc) {
        return parts.inbound.has_filters(netns_cookie)
                   ? Result<void>()
                   : Result<void>(Error("no interface of the pod is known to have tc filters"));
    }
    PodEnrolment enrolment;
    enrolment.netns_cookie = netns_cookie;
    return parts.inbound.check(netns, enrolment, InboundMechanism::sk_lookup);
}

Result<void> check_sidecar(const PodParts& parts, const Netns& netns, std::uint64_t netns_cookie,
                           const struct fsm_pod& entry) {
    const ListenerPorts ports = listener_ports(entry);
    FSM_ASSIGN(const std::vector<ListeningSocket> sockets, listening_sockets_in(netns));
    FSM_ASSIGN(const struct fsm_observed observed, parts.table.observed_of(netns_cookie));
    const std::uint32_t seen = entry.listeners | observed.seen;
    const std::uint32_t there = listeners_seen(ports, sockets, 0);
    if ((lasting(there) & ~seen) != 0 ||
        ((there & FSM_SEEN_OUT4) != 0 && (seen & FSM_SEEN_OUT4) == 0)) {
        return Error("what was seen of the sidecar's listeners is lost");
    }
    if (inbound_of(entry) == InboundMechanism::tc) {
        return {};
    }
    if (const std::uint16_t port = mptcp_only_port(ports, sockets); port != 0) {
        return Error("the sidecar listens by MPTCP on port " + std::to_string(port) +
                     ", where sk_lookup cannot steer to");
    }
    return parts.listeners.check(netns_cookie, ports, sockets);
}

}  // namespace

Result<struct fsm_pod> check_pod(const PodParts& parts, const Netns& netns,
                                 std::uint64_t netns_cookie) {
    FSM_ASSIGN(const auto entry, parts.table.entry_of(netns_cookie));
    if (!entry) {
        return Error("the pod is not enrolled in the data path", ENOENT);
    }
    const auto record = parts.table.record_of(netns_cookie);
    if (record && !record->not_removed.empty()) {
        return Error("not all that the pod had before is gone: " + record->not_removed);
    }
    FSM_TRY(record && record->enrolment ? check_enrolled(parts, netns, *entry, *record)
                                        : check_adopted(parts, netns, netns_cookie, *entry));
    FSM_TRY(check_sidecar(parts, netns, netns_cookie, *entry));
    return *entry;
}

}  // namespace fsm
