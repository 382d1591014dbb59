#include "interceptor/pod/policy_builder.h"

#include <algorithm>

#include "interceptor/pod/switch.h"
#include "interceptor/pod/text.h"

namespace fsm {

namespace {

constexpr std::uint32_t kLastPort = 65535;
constexpr std::uint32_t kLastId = 0xfffffffe;  // the value above means "no change" to the kernel

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::size_t entries_of(const PortSet& ports) {
    return ports.prefixes().size();
}

std::size_t entries_of(const TrafficFilter& filter) {
    return entries_of(filter.excluded_ports) +
           (filter.included_ports ? entries_of(*filter.included_ports) : 0) +
           filter.excluded_ranges.size() +
           (filter.included_ranges ? filter.included_ranges->size() : 0);
}

}  // namespace

PolicyBuilder::PolicyBuilder(const MeshProfile& profile, const Pod& pod, const NodeDefaults& node)
    : profile_(profile),
      outbound_ports_(node.outbound.included_ports),
      outbound_ranges_(node.outbound.included_ranges),
      inbound_ports_(node.inbound.included_ports) {
    start_from_profile();
    start_from_node(node);
    in_mesh_.user_namespace = pod.user_namespace;
}

void PolicyBuilder::take_ports_of_profile() {
    policy().outbound_port4 = profile_.ports.outbound4;
    policy().inbound_port4 = profile_.ports.inbound4;
    policy().outbound_port6 = profile_.ports.outbound6;
    policy().inbound_port6 = profile_.ports.inbound6;
}

void PolicyBuilder::start_from_profile() {
    policy().sidecar_uid = profile_.sidecar_uid;
    policy().sidecar_gid = profile_.sidecar_gid;
    take_ports_of_profile();
    policy().outbound_inclusion = profile_.outbound_inclusion;
    policy().own_source4 = profile_.own_source4;
    policy().own_source6 = profile_.own_source6;
    policy().own_source_reaches_pod_address = profile_.own_source_reaches_pod_address;
    policy().self_call_exempt_port = profile_.self_call_exempt_port;
    policy().ipv6 = profile_.ipv6;
    in_mesh_.ipv6_rule = profile_.ipv6_rule;
    if (!profile_.ipv6_any_address.empty()) {
        in_mesh_.ipv6_switch = profile_.ipv6_any_address.begin()->first;
    }
    policy().sidecar_reads_safely = profile_.sidecar_reads_safely;
}

void PolicyBuilder::start_from_node(const NodeDefaults& node) {
    policy().outbound.excluded_ports = node.outbound.excluded_ports;
    policy().outbound.excluded_ranges = node.outbound.excluded_ranges;
    policy().inbound = node.inbound;
    policy().outbound.excluded_ports.insert(profile_.never_outbound_ports);
    policy().inbound.excluded_ports.insert(profile_.never_inbound_ports);
    policy().inbound_mechanism = node.inbound_mechanism;
    policy().acceleration = node.acceleration;
    in_mesh_.excluded_interfaces = node.excluded_interfaces;
}

void PolicyBuilder::take_identity_from(const Container& sidecar) {
    const auto found =
        std::find_if(profile_.ipv6_any_address.begin(), profile_.ipv6_any_address.end(),
                     [&](const auto& entry) { return says(sidecar, entry.first, entry.second); });
    if (in_mesh_.ipv6_rule == Ipv6Rule::first_address && found != profile_.ipv6_any_address.end()) {
        in_mesh_.ipv6_rule = Ipv6Rule::any_address;
    }
    if (!profile_.identity_from_container) {
        return;
    }
    policy().sidecar_uid = sidecar.run_as_user.value_or(profile_.sidecar_uid);
    if (profile_.sidecar_gid) {
        policy().sidecar_gid = sidecar.run_as_group.value_or(*profile_.sidecar_gid);
    }
}

void PolicyBuilder::apply(const AnnotationRule& rule, const std::string& value,
                          Problems& problems) {
    switch (rule.kind) {
        case AnnotationKind::injection:
            return;  // decided before there is a policy
        case AnnotationKind::ipv6:
        case AnnotationKind::outbound_only:
            return apply_switch(rule, value, problems);
        case AnnotationKind::outbound_excluded_ports:
        case AnnotationKind::outbound_included_ports:
        case AnnotationKind::inbound_excluded_ports:
        case AnnotationKind::inbound_included_ports:
            return apply_ports(rule, value, problems);
        case AnnotationKind::outbound_excluded_ranges:
        case AnnotationKind::outbound_included_ranges:
        case AnnotationKind::inbound_excluded_ranges:
            return apply_ranges(rule, value, problems);
        case AnnotationKind::excluded_interfaces:
            for (std::string& name : parse_interfaces(value, problems)) {
                if (!has(in_mesh_.excluded_interfaces, name)) {
                    in_mesh_.excluded_interfaces.push_back(std::move(name));
                }
            }
            return;
        case AnnotationKind::status_port:
        case AnnotationKind::excluded_status_port:
        case AnnotationKind::sidecar_uid:
        case AnnotationKind::sidecar_gid:
        case AnnotationKind::outbound_port:
        case AnnotationKind::outbound_port_ipv6:
        case AnnotationKind::inbound_port:
            return apply_number(rule, value, problems);
        case AnnotationKind::inbound_port_ipv6:
            return apply_inbound_port_ipv6(value, problems);
        case AnnotationKind::acceleration:
            return apply_acceleration(value, problems);
        case AnnotationKind::inbound_mechanism:
            return apply_inbound_mechanism(value, problems);
    }
}

void PolicyBuilder::apply_switch(const AnnotationRule& rule, const std::string& value,
                                 Problems& problems) {
    const Switch said = read_switch(rule, value, problems);
    if (rule.kind == AnnotationKind::ipv6 && said == Switch::disabled) {
        never_intercept_ipv6();
    }
    if (rule.kind == AnnotationKind::outbound_only && said == Switch::enabled) {
        outbound_only_ = true;
    }
}

void exclude(const PortList& list, TrafficFilter& filter) {
    if (list.all) {
        // Two prefixes say it shorter than 65,535 ports.
        filter.excluded_ranges.insert({Cidr::all_v4(), Cidr::all_v6()});
    } else {
        filter.excluded_ports.insert(list.entries);
    }
}

void exclude(const RangeList& list, TrafficFilter& filter) {
    if (list.all) {
        filter.excluded_ranges.insert({Cidr::all_v4(), Cidr::all_v6()});
    }
    filter.excluded_ranges.insert(list.entries.begin(), list.entries.end());
}

void PolicyBuilder::apply_ports(const AnnotationRule& rule, const std::string& value,
                                Problems& problems) {
    const PortList list =
        parse_ports(value, rule.port_ranges ? PortEntries::single_or_range : PortEntries::single,
                    rule.wildcard, problems);
    note_length(rule, entries_of(list.entries));
    if (rule.kind == AnnotationKind::outbound_excluded_ports) {
        exclude(list, policy().outbound);
    } else if (rule.kind == AnnotationKind::inbound_excluded_ports) {
        exclude(list, policy().inbound);
    } else {
        Inclusion<PortSet>& inclusion =
            rule.kind == AnnotationKind::outbound_included_ports ? outbound_ports_ : inbound_ports_;
        inclusion.add(list, profile_.empty_inclusion_means_none, problems);
    }
}

void PolicyBuilder::apply_ranges(const AnnotationRule& rule, const std::string& value,
                                 Problems& problems) {
    const RangeList list = parse_ranges(value, rule.wildcard, problems);
    note_length(rule, list.entries.size());
    if (rule.kind == AnnotationKind::outbound_excluded_ranges) {
        exclude(list, policy().outbound);
    } else if (rule.kind == AnnotationKind::inbound_excluded_ranges) {
        exclude(list, policy().inbound);
    } else {
        outbound_ranges_.add(list, profile_.empty_inclusion_means_none, problems);
    }
}

void PolicyBuilder::apply_number(const AnnotationRule& rule, const std::string& value,
                                 Problems& problems) {
    const bool is_id =
        rule.kind == AnnotationKind::sidecar_uid || rule.kind == AnnotationKind::sidecar_gid;
    const bool may_be_zero = is_id || rule.kind == AnnotationKind::excluded_status_port;
    const auto number =
        parse_number(value, may_be_zero ? 0 : 1, is_id ? kLastId : kLastPort, problems);
    if (!number) {
        return;
    }
    const auto port = static_cast<std::uint16_t>(*number);
    switch (rule.kind) {
        case AnnotationKind::excluded_status_port:
            if (port != 0) {
                policy().inbound.excluded_ports.insert(port);
            }
            return;
        case AnnotationKind::sidecar_uid:
            policy().sidecar_uid = *number;
            return;
        case AnnotationKind::sidecar_gid:
            policy().sidecar_gid = *number;
            return;
        case AnnotationKind::outbound_port:
            policy().outbound_port4 = port;
            if (profile_.ports.outbound6 == profile_.ports.outbound4) {
                policy().outbound_port6 = port;
            }
            return;
        case AnnotationKind::inbound_port:
            policy().inbound_port4 = port;
            if (profile_.ports.inbound6 == profile_.ports.inbound4) {
                policy().inbound_port6 = port;
            }
            return;
        case AnnotationKind::outbound_port_ipv6:
            outbound_port6_ = port;
            return;
        default:
            return;  // status_port: only checked
    }
}

void PolicyBuilder::apply_inbound_port_ipv6(const std::string& value, Problems& problems) {
    const auto number = parse_number(value, 0, kLastPort, problems);
    if (!number) {
        return;
    }
    if (*number == 0) {
        never_intercept_ipv6();
    } else {
        inbound_port6_ = static_cast<std::uint16_t>(*number);
    }
}

void PolicyBuilder::apply_acceleration(const std::string& value, Problems& problems) {
    const std::string_view word = trimmed(value);
    if (same_word(word, "auto")) {
        policy().acceleration = std::nullopt;
        return;
    }
    for (const Acceleration each : {Acceleration::off, Acceleration::sidecar, Acceleration::full}) {
        if (same_word(word, to_string(each))) {
            policy().acceleration = each;
            return;
        }
    }
    problems.add(in_quotes(value) + " is not one of auto, off, sidecar, full; it is ignored");
}

void PolicyBuilder::apply_inbound_mechanism(const std::string& value, Problems& problems) {
    const std::string_view word = trimmed(value);
    if (same_word(word, "auto")) {
        policy().inbound_mechanism = std::nullopt;
        return;
    }
    for (const InboundMechanism each : {InboundMechanism::sk_lookup, InboundMechanism::tc}) {
        if (same_word(word, to_string(each))) {
            policy().inbound_mechanism = each;
            return;
        }
    }
    problems.add(in_quotes(value) + " is not one of auto, sk_lookup, tc; it is ignored");
}

// With any_list, a list that nobody gave adds nothing to the ports and everything to the ranges
// (Istio's defaults: includeOutboundPorts "", includeOutboundIPRanges "*").
void PolicyBuilder::combine_outbound_inclusion() {
    TrafficFilter& outbound = policy().outbound;
    outbound.included_ports = outbound_ports_.result();
    outbound.included_ranges = outbound_ranges_.result();
    if (profile_.outbound_inclusion != InclusionRule::any_list) {
        return;
    }
    if (!outbound_ports_.said()) {
        outbound.included_ports.emplace();
    }
    if (!outbound.included_ports || !outbound.included_ranges) {
        outbound.included_ports = std::nullopt;
        outbound.included_ranges = std::nullopt;
    }
}

void PolicyBuilder::settle_ports(Problems& problems) {
    policy().outbound_port6 = outbound_port6_.value_or(policy().outbound_port6);
    policy().inbound_port6 = inbound_port6_.value_or(policy().inbound_port6);
    if (policy().outbound_port4 == policy().inbound_port4 ||
        policy().outbound_port6 == policy().inbound_port6) {
        problems.add(
            "its annotations give it one port for outbound and inbound; the ports of the "
            "mesh are used instead");
        take_ports_of_profile();
    }
}

InMesh PolicyBuilder::finish(Problems& problems) {
    combine_outbound_inclusion();
    policy().inbound.included_ports = inbound_ports_.result();
    if (outbound_only_) {
        policy().inbound.included_ports = PortSet{};
    }
    settle_ports(problems);
    return in_mesh_;
}

void PolicyBuilder::never_intercept_ipv6() {
    policy().ipv6 = Ipv6Mode::never;
    in_mesh_.ipv6_rule = Ipv6Rule::policy;
}

void PolicyBuilder::note_length(const AnnotationRule& rule, std::size_t entries) {
    if (entries > longest_.entries) {
        longest_ = {rule.name, entries};
    }
}

std::optional<std::string> PolicyBuilder::excess() const {
    const InterceptionPolicy& policy = in_mesh_.policy;
    const std::size_t entries = entries_of(policy.outbound) + entries_of(policy.inbound);
    if (entries <= kMaxListEntries) {
        return std::nullopt;
    }
    return "its lists of ports and address ranges need " + std::to_string(entries) +
           " entries, and one pod may have " + std::to_string(kMaxListEntries) +
           ", so that no pod takes the room of the others" +
           (longest_.annotation.empty() ? "; they come from the interceptor's configuration"
                                        : "; annotation " + longest_.annotation + " alone needs " +
                                              std::to_string(longest_.entries) +
                                              ": shorten it (neighbouring ports count as one "
                                              "range, of at most 30 entries)");
}

}  // namespace fsm
