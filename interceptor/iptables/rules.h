// The interception policy of one pod as iptables rules: the meshes' own rules, in their order, in
// separate chains.
//
//   PREROUTING → FSM_INBOUND → FSM_IN_REDIRECT    to the sidecar's inbound port
//   OUTPUT     → FSM_OUTPUT  → FSM_REDIRECT       to its outbound port
//                            → FSM_IN_REDIRECT    the sidecar calls its own pod
//
// FSM_IN_PORTS and FSM_OUT_PORTS exist only if a list of ports and one of ranges must both match.
//
// FSM_TRACKING, which no rule uses, stays in a withdrawn pod.
//
// The one difference to the meshes' rules: only a packet that opens a connection (--syn) enters the
// chains. Otherwise a connection that was already open would be redirected, and broken: the kernel
// consults the nat table for the first packet that connection tracking sees, which is not the first
// packet of such a connection.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "interceptor/interception/enrolment.h"

namespace fsm {

enum class Family : std::uint8_t { ipv4, ipv6 };

constexpr std::string_view to_string(Family family) {
    return family == Family::ipv4 ? "IPv4" : "IPv6";
}

// What is intercepted in one family.
struct Directions {
    bool outbound = false;
    bool inbound = false;

    bool operator==(const Directions&) const = default;
};

// Rules of the nat table in the syntax of iptables-save.
struct RuleSet {
    std::vector<std::string> chains;  // this project's
    std::vector<std::string> rules;  // "-A <chain of our own> …", those of a chain in their order
    std::vector<std::string> jumps;  // "-A PREROUTING … -j FSM_INBOUND"

    bool empty() const { return chains.empty() && rules.empty() && jumps.empty(); }
    bool operator==(const RuleSet&) const = default;
};

// Pure. Empty if neither direction is intercepted. Interfaces whose names iptables would
// misinterpret are omitted: the ranges behind them are excluded anyway (PodEnrolment).
RuleSet render_rules(const PodEnrolment& enrolment, Family family, Directions directions);

// The rule that stays when a pod is withdrawn: it redirects, in an unused chain. Without any such
// rule in a namespace and family, the kernel stops tracking connections (nf_ct_netns_put), and open
// ones would lose their translation and be cut.
RuleSet tracking_rules();

// Ours among what iptables-save printed, whichever process wrote them.
RuleSet own_rules(std::string_view saved);

// The sidecar's ports to which they redirect.
std::set<std::uint16_t> redirect_ports(const RuleSet& rules);

// The directions that the existing IPv6 rules intercept.
Directions intercepted_by(const RuleSet& rules);

// The input of iptables-restore --noflush that replaces `present` by `wanted` in one transaction.
// It fails without a change if `present` is no longer current.
std::string replacement(const RuleSet& present, const RuleSet& wanted);

// The first rule of `wanted` that `present` does not have at its place, as a sentence; empty if
// both are equal.
std::string difference(const RuleSet& wanted, const RuleSet& present);

}  // namespace fsm
