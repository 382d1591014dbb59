#include "interceptor/iptables/namespace_rules.h"

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <tuple>

#include "interceptor/interception/listening_sockets.h"
#include "interceptor/interception/sock_diag.h"

namespace fsm {
namespace {

Result<void> run_in(const Netns& netns, const std::function<Result<void>()>& work) {
    Result<void> outcome;
    FSM_TRY(netns.run([&] { outcome = work(); }));
    return outcome;
}

// The sidecar's IPv6 listeners in the calling thread's namespace.
Result<Directions> listening_ipv6(const InterceptionPolicy& policy) {
    FSM_ASSIGN(const std::vector<ListeningSocket> sockets, listening_sockets());
    Directions listening;
    for (const ListeningSocket& socket : sockets) {
        if (serves_v6(socket)) {
            listening.outbound |= socket.port == policy.outbound_port6;
            listening.inbound |= socket.port == policy.inbound_port6;
        }
    }
    return listening;
}

Directions either(const Directions& a, const Directions& b) {
    return {a.outbound || b.outbound, a.inbound || b.inbound};
}

// Once a sidecar has listened on IPv6, connections are refused, not passed, while it is down. The
// rules themselves record that.
Result<Directions> ipv6_directions(const InterceptionPolicy& policy, const RuleSet& present) {
    switch (policy.ipv6) {
        case Ipv6Mode::never:
            return Directions{};
        case Ipv6Mode::always:
            return Directions{true, true};
        case Ipv6Mode::when_listening:
            break;
    }
    FSM_ASSIGN(const Directions listening, listening_ipv6(policy));
    return either(listening, intercepted_by(present));
}

Result<void> remove_with(const RuleTool& tool, Family family) {
    FSM_ASSIGN(const RuleSet present, tool.read(family));
    return present.empty() ? Result<void>() : tool.replace(family, present, {});
}

Result<void> remove_with_all(const std::vector<RuleTool>& tools) {
    for (const RuleTool& tool : tools) {
        FSM_TRY(remove_with(tool, Family::ipv4));
        FSM_TRY(remove_with(tool, Family::ipv6));
    }
    return {};
}

// Whether rules redirect, or did.
Result<bool> may_have_redirected(const std::vector<RuleTool>& tools, Family family) {
    for (const RuleTool& tool : tools) {
        FSM_ASSIGN(const RuleSet present, tool.read(family));
        if (!present.empty()) {
            return true;
        }
    }
    return false;
}

Result<void> leave_tracking_of(const ChosenTool& chosen, Family family) {
    FSM_ASSIGN(const RuleSet present, chosen.tool.read(family));
    FSM_ASSIGN(const bool by_others, may_have_redirected(chosen.others, family));
    return present.empty() && !by_others ? Result<void>()
                                         : chosen.tool.replace(family, present, tracking_rules());
}

// A redirected connection cannot outlive its translation: without a reset, an end that only waits
// would wait for ever. The remaining rules translate the resets.
Result<void> reset_redirected(const std::vector<RuleTool>& tools) {
    std::set<std::uint16_t> ports;
    for (const RuleTool& tool : tools) {
        for (const Family family : {Family::ipv4, Family::ipv6}) {
            FSM_ASSIGN(const RuleSet present, tool.read(family));
            ports.merge(redirect_ports(present));
        }
    }
    if (ports.empty()) {
        return {};
    }
    FSM_TRY(abort_connections(
        [&](const TcpConnection& connection) { return ports.contains(connection.local_port()); }));
    return {};
}

// For a family that is no longer intercepted in a pod that still is: open connections continue.
RuleSet or_tracking(RuleSet wanted, const RuleSet& before) {
    return wanted.empty() && !before.empty() ? tracking_rules() : std::move(wanted);
}

}  // namespace

// ---- create ------------------------------------------------------------------------------------

Result<MadeRules> NamespaceRules::make(const Netns& netns, const PodEnrolment& enrolment) const {
    MadeRules made;
    FSM_TRY(run_in(netns, [&]() -> Result<void> {
        FSM_ASSIGN(made, make_here(enrolment));
        return {};
    }));
    return made;
}

Result<MadeRules> NamespaceRules::make_here(const PodEnrolment& enrolment) const {
    MadeRules made;
    FSM_ASSIGN(const BothFamilies before, read_both());
    FSM_ASSIGN(made.ipv6_directions, ipv6_directions(enrolment.policy, before.ipv6));
    const BothFamilies wanted{
        or_tracking(render_rules(enrolment, Family::ipv4, {true, true}), before.ipv4),
        or_tracking(render_rules(enrolment, Family::ipv6, made.ipv6_directions), before.ipv6)};
    FSM_TRY(replace_both(before, wanted));
    // Rules of an earlier run with the other kind of iptables: both kinds would be effective.
    FSM_TRY(remove_with_all(chosen_.others));
    FSM_ASSIGN(made.ipv4, chosen_.tool.read(Family::ipv4));
    if (!before.ipv6.empty() || !wanted.ipv6.empty()) {
        FSM_ASSIGN(made.ipv6, chosen_.tool.read(Family::ipv6));
    }
    return made;
}

Result<NamespaceRules::BothFamilies> NamespaceRules::read_both() const {
    BothFamilies rules;
    FSM_ASSIGN(rules.ipv4, chosen_.tool.read(Family::ipv4));
    FSM_ASSIGN(rules.ipv6, chosen_.tool.read(Family::ipv6));
    return rules;
}

// One transaction per family. If the second is refused, the first is reverted.
Result<void> NamespaceRules::replace_both(const BothFamilies& before,
                                          const BothFamilies& wanted) const {
    FSM_TRY(chosen_.tool.replace(Family::ipv4, before.ipv4, wanted.ipv4));
    if (before.ipv6.empty() && wanted.ipv6.empty()) {
        return {};
    }
    auto replaced = chosen_.tool.replace(Family::ipv6, before.ipv6, wanted.ipv6);
    if (replaced) {
        return {};
    }
    const auto undone = [&]() -> Result<void> {
        FSM_ASSIGN(const RuleSet present, chosen_.tool.read(Family::ipv4));
        return chosen_.tool.replace(Family::ipv4, present, before.ipv4);
    }();
    const std::string left = undone ? "" : "; and not undone: " + undone.error().message();
    return Error(replaced.error().message() + left, replaced.error().errno_value());
}

// ---- check -------------------------------------------------------------------------------------

Result<void> NamespaceRules::check(const Netns& netns, const InterceptionPolicy& policy,
                                   const MadeRules& made) const {
    return run_in(netns, [&] { return check_here(policy, made); });
}

Result<void> NamespaceRules::check_here(const InterceptionPolicy& policy,
                                        const MadeRules& made) const {
    FSM_ASSIGN(const BothFamilies present, read_both());
    for (const auto& [wanted, found, family] :
         {std::tuple(made.ipv4, present.ipv4, Family::ipv4),
          std::tuple(made.ipv6, present.ipv6, Family::ipv6)}) {
        const std::string changed = difference(wanted, found);
        if (!changed.empty()) {
            return Error("in the nat table for " + std::string(to_string(family)) + " " + changed);
        }
    }
    FSM_ASSIGN(const Directions ipv6, ipv6_directions(policy, present.ipv6));
    if (either(ipv6, made.ipv6_directions) != made.ipv6_directions) {
        return Error("the sidecar listens on IPv6, which is not intercepted yet");
    }
    return {};
}

Result<bool> NamespaceRules::lack_directions(const Netns& netns, const InterceptionPolicy& policy,
                                             const MadeRules& made) {
    Directions listening;
    FSM_TRY(run_in(netns, [&]() -> Result<void> {
        FSM_ASSIGN(listening, listening_ipv6(policy));
        return {};
    }));
    return either(listening, made.ipv6_directions) != made.ipv6_directions;
}

// ---- remove ------------------------------------------------------------------------------------

Result<void> NamespaceRules::leave_tracking(const Netns& netns) const {
    return run_in(netns, [&]() -> Result<void> {
        FSM_TRY(leave_tracking_of(chosen_, Family::ipv4));
        FSM_TRY(leave_tracking_of(chosen_, Family::ipv6));
        return remove_with_all(chosen_.others);
    });
}

Result<void> NamespaceRules::cut_and_remove(const Netns& netns) const {
    std::vector<RuleTool> tools = chosen_.others;
    tools.push_back(chosen_.tool);
    return cut_and_remove_by(tools, netns);
}

Result<void> NamespaceRules::cut_and_remove_by(const std::vector<RuleTool>& tools,
                                               const Netns& netns) {
    return run_in(netns, [&]() -> Result<void> {
        FSM_TRY(reset_redirected(tools));
        return remove_with_all(tools);
    });
}

}  // namespace fsm
