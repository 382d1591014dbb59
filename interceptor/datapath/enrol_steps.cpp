#include "interceptor/datapath/enrol_steps.h"

#include <utility>

#include "common/failures.h"

namespace fsm {

ListenerPorts listener_ports(const InterceptionPolicy& policy) {
    return {policy.outbound_port4, policy.inbound_port4, policy.outbound_port6,
            policy.inbound_port6};
}

ListenerPorts listener_ports(const struct fsm_pod& entry) {
    return {entry.outbound_port4, entry.inbound_port4, entry.outbound_port6, entry.inbound_port6};
}

Result<struct fsm_pod> EnrolSteps::run() {
    if (auto done = run_steps(); !done) {
        return undo_.roll_back(done.error());
    }
    remember();
    return entry();
}

Result<void> EnrolSteps::run_steps() {
    constexpr Step kSteps[] = {
        &EnrolSteps::read_former_state,
        &EnrolSteps::write_lists,
        &EnrolSteps::enter_listeners,
        &EnrolSteps::choose_mechanism,
        &EnrolSteps::attach_mechanism,
        &EnrolSteps::add_addresses,
        &EnrolSteps::add_usage,
        &EnrolSteps::switch_over,
        &EnrolSteps::enter_newer_listeners,
    };
    for (const Step step : kSteps) {
        FSM_TRY((this->*step)());
    }
    return {};
}

// ---- before the switch -------------------------------------------------------------------------

Result<void> EnrolSteps::read_former_state() {
    FSM_ASSIGN(former_, parts_.table.entry_of(pod_));
    FSM_ASSIGN(const struct fsm_observed observed, parts_.table.observed_of(pod_));
    known_ = parts_.table.record_of(pod_);
    seen_before_ = observed.seen | (former_ ? former_->listeners : 0) |
                   (known_ ? lasting(known_->decision.listeners) : 0);
    record_.enrolment = enrolment_;
    record_.refused = observed.refused;
    record_.decision.acceleration = decide_acceleration();
    return {};
}

Acceleration EnrolSteps::decide_acceleration() const {
    const InterceptionPolicy& policy = enrolment_.policy;
    if (!parts_.acceleration.works) {
        return Acceleration::off;
    }
    if (policy.acceleration) {
        return *policy.acceleration;
    }
    return policy.sidecar_reads_safely ? parts_.acceleration.automatic : Acceleration::off;
}

Result<void> EnrolSteps::write_lists() {
    FSM_ASSIGN(record_.decision.pod_id, parts_.policies.add(enrolment_.policy, undo_));
    return {};
}

// A failure does not refuse the pod: it excludes sk_lookup.
Result<void> EnrolSteps::enter_listeners() {
    FSM_ASSIGN(sockets_, listening_sockets_in(netns_));
    listeners_entered_ =
        parts_.listeners.enter(netns_, pod_, listener_ports(enrolment_.policy), sockets_, undo_);
    return {};
}

Result<void> EnrolSteps::choose_mechanism() {
    const ListenerPorts ports = listener_ports(enrolment_.policy);
    FSM_ASSIGN(const InboundChoice choice,
               choose_inbound(enrolment_.policy, parts_.inbound_obstacles,
                              {listeners_entered_, mptcp_only_port(ports, sockets_)}));
    record_.decision.inbound = choice.mechanism;
    record_.inbound_reason = choice.reason;
    record_.decision.listeners = listeners_seen(ports, sockets_, seen_before_);
    return {};
}

Result<void> EnrolSteps::attach_mechanism() {
    return parts_.inbound.attach(netns_, enrolment_, record_.decision.inbound, undo_);
}

Result<void> EnrolSteps::add_addresses() {
    return parts_.addresses.add(enrolment_, undo_);
}

Result<void> EnrolSteps::add_usage() {
    return parts_.table.add_usage(pod_, undo_);
}

Result<void> EnrolSteps::switch_over() {
    return parts_.table.switch_to(pod_, entry(), undo_);
}

// Neither the first check nor the programs have seen a listener that began to listen between the
// two.
Result<void> EnrolSteps::enter_newer_listeners() {
    const ListenerPorts ports = listener_ports(enrolment_.policy);
    FSM_ASSIGN(const std::vector<ListeningSocket> newer, listening_sockets_in(netns_));
    auto entered = parts_.listeners.enter(netns_, pod_, ports, newer, undo_);
    if (!entered && record_.decision.inbound == InboundMechanism::sk_lookup) {
        return entered;
    }
    const std::uint32_t seen = listeners_seen(ports, newer, record_.decision.listeners);
    if (seen == record_.decision.listeners) {
        return {};
    }
    record_.decision.listeners = seen;
    return parts_.table.change(pod_, entry());
}

// ---- after the switch --------------------------------------------------------------------------

// check() names the remains of the former rules, and the pod is enrolled again.
void EnrolSteps::remember() {
    parts_.table.remember(pod_, record_);
    if (known_) {
        parts_.policies.retire(known_->decision.pod_id);
    }
    if (const auto removed = remove_superseded(); !removed) {
        record_.not_removed = removed.error().message();
        parts_.table.remember(pod_, record_);
    }
}

// Removes what only the former entry had: addresses, listeners on other ports, the other mechanism.
Result<void> EnrolSteps::remove_superseded() {
    Failures failures;
    failures.note(parts_.addresses.keep_only(enrolment_));
    if (former_) {
        failures.note(parts_.listeners.forget(pod_, listener_ports(*former_),
                                              listener_ports(enrolment_.policy)));
    }
    failures.note(retire_mechanism());
    return failures.result();
}

// tc filters are removed when the connections that they translate have ended.
Result<void> EnrolSteps::retire_mechanism() {
    if (record_.decision.inbound == InboundMechanism::sk_lookup) {
        if (!parts_.inbound.has_filters(pod_)) {
            return {};
        }
        FSM_ASSIGN(const bool open, parts_.flows.has_any_of(pod_));
        if (open) {
            return {};
        }
    }
    return parts_.inbound.detach_other(netns_, pod_, record_.decision.inbound);
}

}  // namespace fsm
