#include "interceptor/iptables/rules.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <set>

namespace fsm {
namespace {

constexpr const char* kInbound = "FSM_INBOUND";
constexpr const char* kToInbound = "FSM_IN_REDIRECT";
constexpr const char* kOutbound = "FSM_OUTPUT";
constexpr const char* kToOutbound = "FSM_REDIRECT";
constexpr const char* kInboundPorts = "FSM_IN_PORTS";
constexpr const char* kOutboundPorts = "FSM_OUT_PORTS";
constexpr const char* kTracking = "FSM_TRACKING";
constexpr std::array kOwnChains = {kInbound,      kToInbound,     kOutbound, kToOutbound,
                                   kInboundPorts, kOutboundPorts, kTracking};

// A range of more ports than this is one rule; shorter ones are written as the meshes do.
constexpr int kLongestRunOfSingleRules = 4;

bool is_own_chain(std::string_view name) {
    return std::find(kOwnChains.begin(), kOwnChains.end(), name) != kOwnChains.end();
}

bool is_of(Family family, const Cidr& range) {
    return range.is_v4() == (family == Family::ipv4);
}

// "8080", "8000:8100".
std::vector<std::string> port_matches(const PortSet& ports) {
    std::vector<std::string> matches;
    for (const PortRange& range : ports.ranges()) {
        if (range.last - range.first < kLongestRunOfSingleRules) {
            for (std::uint32_t port = range.first; port <= range.last; ++port) {
                matches.push_back(std::to_string(port));
            }
        } else {
            matches.push_back(std::to_string(range.first) + ":" + std::to_string(range.last));
        }
    }
    return matches;
}

bool can_be_named(const std::string& interface) {
    return !interface.empty() && interface.front() != '-' &&
           std::all_of(interface.begin(), interface.end(), [](unsigned char letter) {
               return std::isalnum(letter) != 0 || letter == '_' || letter == '.' ||
                      letter == '-' || letter == '@';
           });
}

// Writes the rules of one family.
class Renderer {
  public:
    Renderer(const PodEnrolment& enrolment, Family family)
        : policy_(enrolment.policy), interfaces_(enrolment.excluded_interfaces), family_(family) {
        const bool v4 = family == Family::ipv4;
        outbound_port_ = v4 ? policy_.outbound_port4 : policy_.outbound_port6;
        inbound_port_ = v4 ? policy_.inbound_port4 : policy_.inbound_port6;
        localhost_ = v4 ? "127.0.0.1/32" : "::1/128";
        own_source_ = v4 ? policy_.own_source4 : policy_.own_source6;
    }

    RuleSet render(Directions directions) {
        const bool outbound = directions.outbound && outbound_port_ != 0;
        const bool inbound = directions.inbound && inbound_port_ != 0;
        if (inbound) {
            add_chain(kToInbound);
            add(kToInbound, "-p tcp -j REDIRECT --to-ports " + std::to_string(inbound_port_));
            add_inbound();
        }
        if (outbound) {
            add_chain(kToOutbound);
            add(kToOutbound, "-p tcp -j REDIRECT --to-ports " + std::to_string(outbound_port_));
        }
        if (inbound || outbound) {
            add_chain(kOutbound);
            add_own_calls(inbound);
        }
        if (outbound) {
            add_outbound();
        }
        if (inbound) {
            rules_.jumps.push_back(std::string("-A PREROUTING -p tcp --syn -j ") + kInbound);
        }
        if (inbound || outbound) {
            rules_.jumps.push_back(std::string("-A OUTPUT -p tcp --syn -j ") + kOutbound);
        }
        return std::move(rules_);
    }

  private:
    void add_chain(const char* chain) { rules_.chains.emplace_back(chain); }
    void add(const std::string& chain, const std::string& rule) {
        rules_.rules.push_back("-A " + chain + " " + rule);
    }
    // Either the uid or the gid identifies the sidecar.
    void add_for_sidecar(const std::string& match, const std::string& target) {
        add(kOutbound,
            match + "-m owner --uid-owner " + std::to_string(policy_.sidecar_uid) + target);
        if (policy_.sidecar_gid) {
            add(kOutbound,
                match + "-m owner --gid-owner " + std::to_string(*policy_.sidecar_gid) + target);
        }
    }

    void add_inbound() {
        add_chain(kInbound);
        for (const std::string& interface : interfaces_) {
            if (can_be_named(interface)) {
                add(kInbound, "-i " + interface + " -j RETURN");
            }
        }
        for (const std::string& ports : port_matches(policy_.inbound.excluded_ports)) {
            add(kInbound, "-p tcp --dport " + ports + " -j RETURN");
        }
        for (const Cidr& range : policy_.inbound.excluded_ranges) {
            if (is_of(family_, range)) {
                add(kInbound, "-s " + range.to_string() + " -j RETURN");
            }
        }
        add_inclusion(kInbound, policy_.inbound, InclusionRule::every_list, " -s ", kInboundPorts,
                      kToInbound);
    }

    // Calls that stay in the pod: the sidecar's to its application, the sidecar's to the pod's
    // address, and all others.
    void add_own_calls(bool inbound) {
        if (inbound && own_source_ && policy_.own_source_reaches_pod_address) {
            add(kOutbound, "-s " + Cidr::host(*own_source_).to_string() + " -o lo -j RETURN");
        }
        if (inbound) {
            const std::string exempt =
                policy_.self_call_exempt_port == 0
                    ? std::string()
                    : "-m tcp ! --dport " + std::to_string(policy_.self_call_exempt_port) + " ";
            add_for_sidecar("-o lo ! -d " + localhost_ + " -p tcp " + exempt,
                            std::string(" -j ") + kToInbound);
        }
        add(kOutbound,
            "-o lo -m owner ! --uid-owner " + std::to_string(policy_.sidecar_uid) + " -j RETURN");
        if (policy_.sidecar_gid) {
            add(kOutbound, "-o lo -m owner ! --gid-owner " + std::to_string(*policy_.sidecar_gid) +
                               " -j RETURN");
        }
    }

    void add_outbound() {
        add_for_sidecar("", " -j RETURN");
        add(kOutbound, "-d " + localhost_ + " -j RETURN");
        for (const Cidr& range : policy_.outbound.excluded_ranges) {
            if (is_of(family_, range)) {
                add(kOutbound, "-d " + range.to_string() + " -j RETURN");
            }
        }
        for (const std::string& ports : port_matches(policy_.outbound.excluded_ports)) {
            add(kOutbound, "-p tcp --dport " + ports + " -j RETURN");
        }
        for (const std::string& interface : interfaces_) {
            if (can_be_named(interface)) {
                add(kOutbound, "-o " + interface + " -j RETURN");
            }
        }
        add_inclusion(kOutbound, policy_.outbound, policy_.outbound_inclusion, " -d ",
                      kOutboundPorts, kToOutbound);
    }

    // The rest is included by a list, or all of it is.
    void add_inclusion(const char* chain, const TrafficFilter& filter, InclusionRule rule,
                       const char* address, const char* ports_chain, const char* target) {
        const bool both =
            filter.included_ports && filter.included_ranges && rule == InclusionRule::every_list;
        if (both) {
            add_chain(ports_chain);
            add_ports(ports_chain, *filter.included_ports, target);
            add_ranges(chain, *filter.included_ranges, address, ports_chain);
            return;
        }
        if (filter.included_ports) {
            add_ports(chain, *filter.included_ports, target);
        }
        if (filter.included_ranges) {
            add_ranges(chain, *filter.included_ranges, address, target);
        }
        if (!filter.included_ports && !filter.included_ranges) {
            add(chain, std::string("-p tcp -j ") + target);
        }
    }

    void add_ports(const char* chain, const PortSet& ports, const char* target) {
        for (const std::string& match : port_matches(ports)) {
            add(chain, "-p tcp --dport " + match + " -j " + target);
        }
    }

    void add_ranges(const char* chain, const std::set<Cidr>& ranges, const char* address,
                    const char* target) {
        for (const Cidr& range : ranges) {
            if (is_of(family_, range)) {
                add(chain, std::string("-p tcp") + address + range.to_string() + " -j " + target);
            }
        }
    }

    const InterceptionPolicy& policy_;
    const std::vector<std::string>& interfaces_;
    const Family family_;
    std::uint16_t outbound_port_ = 0;
    std::uint16_t inbound_port_ = 0;
    std::string localhost_;
    std::optional<IpAddress> own_source_;
    RuleSet rules_;
};

std::string_view next_word(std::string_view& line) {
    const auto end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return word;
}

bool leads_to_own_chain(std::string_view rule) {
    while (!rule.empty()) {
        const std::string_view word = next_word(rule);
        if (word == "-j" || word == "-g") {
            return is_own_chain(next_word(rule));
        }
    }
    return false;
}

void note_saved_line(std::string_view line, RuleSet& rules) {
    std::string_view rest = line;
    const std::string_view first = next_word(rest);
    if (first.starts_with(":") && is_own_chain(first.substr(1))) {
        rules.chains.emplace_back(first.substr(1));
    } else if (first == "-A" && is_own_chain(next_word(rest))) {
        rules.rules.emplace_back(line);
    } else if (first == "-A" && leads_to_own_chain(rest)) {
        rules.jumps.emplace_back(line);
    }
}

bool has(const std::vector<std::string>& list, const std::string& entry) {
    return std::find(list.begin(), list.end(), entry) != list.end();
}

bool has_rule_in(const RuleSet& rules, const char* chain) {
    return std::any_of(rules.rules.begin(), rules.rules.end(), [&](const std::string& rule) {
        return rule.starts_with(std::string("-A ") + chain + " ");
    });
}

// The rules of a chain, in order. iptables-save may print chains in any order.
std::vector<std::string> rules_in(const RuleSet& rules, const std::string& chain) {
    std::vector<std::string> found;
    std::copy_if(rules.rules.begin(), rules.rules.end(), std::back_inserter(found),
                 [&](const std::string& rule) { return rule.starts_with("-A " + chain + " "); });
    return found;
}

std::string difference(const std::vector<std::string>& wanted,
                       const std::vector<std::string>& present) {
    for (const std::string& rule : wanted) {
        if (!has(present, rule)) {
            return "the rule \"" + rule + "\" is gone";
        }
    }
    for (const std::string& rule : present) {
        if (!has(wanted, rule)) {
            return "another program has added the rule \"" + rule + "\"";
        }
    }
    return wanted == present ? std::string() : "another program has changed the order of the rules";
}

}  // namespace

RuleSet render_rules(const PodEnrolment& enrolment, Family family, Directions directions) {
    return Renderer(enrolment, family).render(directions);
}

RuleSet tracking_rules() {
    return {.chains = {kTracking},
            .rules = {std::string("-A ") + kTracking + " -p tcp -j REDIRECT --to-ports 1"},
            .jumps = {}};
}

RuleSet own_rules(std::string_view saved) {
    RuleSet rules;
    while (!saved.empty()) {
        const auto end = std::min(saved.find('\n'), saved.size());
        note_saved_line(saved.substr(0, end), rules);
        saved.remove_prefix(std::min(end + 1, saved.size()));
    }
    return rules;
}

std::set<std::uint16_t> redirect_ports(const RuleSet& rules) {
    std::set<std::uint16_t> ports;
    for (std::string_view rule : rules.rules) {
        while (!rule.empty()) {
            if (next_word(rule) != "--to-ports") {
                continue;
            }
            const std::string_view word = next_word(rule);
            std::uint16_t port = 0;
            if (std::from_chars(word.data(), word.data() + word.size(), port).ec == std::errc()) {
                ports.insert(port);
            }
        }
    }
    return ports;
}

Directions intercepted_by(const RuleSet& rules) {
    return {has_rule_in(rules, kToOutbound), has_rule_in(rules, kToInbound)};
}

std::string replacement(const RuleSet& present, const RuleSet& wanted) {
    std::string text = "*nat\n";
    // Makes the chain, or empties it.
    const auto add_chain = [&](const std::string& chain) { text += ":" + chain + " - [0:0]\n"; };
    std::for_each(wanted.chains.begin(), wanted.chains.end(), add_chain);
    for (const std::string& chain : present.chains) {
        if (!has(wanted.chains, chain)) {
            add_chain(chain);
        }
    }
    for (const std::string& jump : present.jumps) {
        text += "-D" + jump.substr(2) + "\n";
    }
    for (const std::string& rule : wanted.rules) {
        text += rule + "\n";
    }
    for (const std::string& jump : wanted.jumps) {
        text += jump + "\n";
    }
    for (const std::string& chain : present.chains) {
        if (!has(wanted.chains, chain)) {
            text += "-X " + chain + "\n";
        }
    }
    return text + "COMMIT\n";
}

std::string difference(const RuleSet& wanted, const RuleSet& present) {
    for (const std::string& chain : wanted.chains) {
        if (!has(present.chains, chain)) {
            return "the chain " + chain + " is gone";
        }
        if (auto text = difference(rules_in(wanted, chain), rules_in(present, chain));
            !text.empty()) {
            return text;
        }
    }
    return difference(wanted.jumps, present.jumps);
}

}  // namespace fsm
