// The interception policy of one pod as iptables rules: the meshes' own rules, in their order, in
// chains of our own.
//
//   PREROUTING → FSM_INBOUND → FSM_IN_REDIRECT    to the sidecar's inbound port
//   OUTPUT     → FSM_OUTPUT  → FSM_REDIRECT       to its outbound port
//                            → FSM_IN_REDIRECT    the sidecar calls its own pod
//
// FSM_IN_PORTS and FSM_OUT_PORTS are there only where a list of ports and one of ranges must both
// match.
//
// FSM_TRACKING, to which nothing leads, is what a pod that was withdrawn keeps.
//
// One thing differs from the meshes' rules: only a packet that opens a connection (--syn) is led to
// our chains. Otherwise a connection that was open before the rules were made would be redirected
// in its middle, and broken: the kernel asks the nat table about the first packet that connection
// tracking sees, and that one is not the first of such a connection.
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

// What is intercepted at all, in one family.
struct Directions {
    bool outbound = false;
    bool inbound = false;

    bool operator==(const Directions&) const = default;
};

// Rules of the nat table in the words of iptables-save.
struct RuleSet {
    std::vector<std::string> chains;  // of our own
    std::vector<std::string> rules;  // "-A <chain of our own> …", those of a chain in their order
    std::vector<std::string> jumps;  // "-A PREROUTING … -j FSM_INBOUND"

    bool empty() const { return chains.empty() && rules.empty() && jumps.empty(); }
    bool operator==(const RuleSet&) const = default;
};

// Pure. Empty when neither direction is intercepted. Interfaces whose names iptables would read as
// something else are not named: the ranges behind them are left out anyway (PodEnrolment).
RuleSet render_rules(const PodEnrolment& enrolment, Family family, Directions directions);

// What stays when a pod is withdrawn: one rule that redirects, in a chain to which nothing leads.
// With the last such rule of a namespace and family, the kernel stops tracking connections
// (nf_ct_netns_put), and those that are open lose their translation: they would be cut.
RuleSet tracking_rules();

// Ours among what iptables-save printed, whichever process wrote them.
RuleSet own_rules(std::string_view saved);

// The sidecar's ports, to which they redirect.
std::set<std::uint16_t> redirect_ports(const RuleSet& rules);

// What IPv6 rules that are in place say about the directions that they intercept.
Directions intercepted_by(const RuleSet& rules);

// The input of iptables-restore --noflush that puts `wanted` in the place of `present`, in one
// transaction. It fails, and changes nothing, when `present` is no longer what is there.
std::string replacement(const RuleSet& present, const RuleSet& wanted);

// The first rule of `wanted` that `present` does not have in its place, as a sentence; empty when
// both are the same.
std::string difference(const RuleSet& wanted, const RuleSet& present);

}  // namespace fsm
