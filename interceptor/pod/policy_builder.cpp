#include "interceptor/pod/policy_builder.h"

#include <algorithm>
#include <variant>

#include "common/text.h"
#include "interceptor/pod/switch.h"

namespace fsm {

namespace {

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
    std::visit([&](const auto& form) { use(form, rule, value, problems); }, row_of(rule.kind).form);
}

// ---- the forms of values -----------------------------------------------------------------------

void PolicyBuilder::use(const SwitchForm& form, const AnnotationRule& rule,
                        const std::string& value, Problems& problems) {
    if (form.effect != nullptr && read_switch(rule, value, problems) == form.acts) {
        (this->*form.effect)();
    }
}

void PolicyBuilder::use(const PortsForm& form, const AnnotationRule& rule, const std::string& value,
                        Problems& problems) {
    const PortList list =
        parse_ports(value, rule.port_ranges ? PortEntries::single_or_range : PortEntries::single,
                    rule.wildcard, problems);
    note_length(rule, entries_of(list.entries));
    (this->*form.effect)(list, problems);
}

void PolicyBuilder::use(const RangesForm& form, const AnnotationRule& rule,
                        const std::string& value, Problems& problems) {
    const RangeList list = parse_ranges(value, rule.wildcard, problems);
    note_length(rule, list.entries.size());
    (this->*form.effect)(list, problems);
}

void PolicyBuilder::use(const InterfacesForm& form, const AnnotationRule&, const std::string& value,
                        Problems& problems) {
    (this->*form.effect)(parse_interfaces(value, problems));
}

void PolicyBuilder::use(const NumberForm& form, const AnnotationRule&, const std::string& value,
                        Problems& problems) {
    const auto number = parse_number(value, form.low, form.high, problems);
    if (number && form.effect != nullptr) {
        (this->*form.effect)(*number);
    }
}

void PolicyBuilder::use(const WordForm& form, const AnnotationRule&, const std::string& value,
                        Problems& problems) {
    if (!(this->*form.effect)(trimmed(value))) {
        problems.add(in_quotes(value) + " is not one of " + form.accepted + "; it is ignored");
    }
}

// ---- the effects of annotations ----------------------------------------------------------------

void PolicyBuilder::never_intercept_ipv6() {
    policy().ipv6 = Ipv6Mode::never;
    in_mesh_.ipv6_rule = Ipv6Rule::policy;
}

void PolicyBuilder::exclude_outbound_ports(const PortList& list, Problems&) {
    exclude(list, policy().outbound);
}

void PolicyBuilder::include_outbound_ports(const PortList& list, Problems& problems) {
    outbound_ports_.add(list, profile_.empty_inclusion_means_none, problems);
}

void PolicyBuilder::exclude_inbound_ports(const PortList& list, Problems&) {
    exclude(list, policy().inbound);
}

void PolicyBuilder::include_inbound_ports(const PortList& list, Problems& problems) {
    inbound_ports_.add(list, profile_.empty_inclusion_means_none, problems);
}

void PolicyBuilder::exclude_outbound_ranges(const RangeList& list, Problems&) {
    exclude(list, policy().outbound);
}

void PolicyBuilder::include_outbound_ranges(const RangeList& list, Problems& problems) {
    outbound_ranges_.add(list, profile_.empty_inclusion_means_none, problems);
}

void PolicyBuilder::exclude_inbound_ranges(const RangeList& list, Problems&) {
    exclude(list, policy().inbound);
}

void PolicyBuilder::exclude_interfaces(std::vector<std::string> names) {
    for (std::string& name : names) {
        if (!has(in_mesh_.excluded_interfaces, name)) {
            in_mesh_.excluded_interfaces.push_back(std::move(name));
        }
    }
}

// 0: there is none.
void PolicyBuilder::exclude_status_port(std::uint32_t port) {
    if (port != 0) {
        policy().inbound.excluded_ports.insert(static_cast<std::uint16_t>(port));
    }
}

void PolicyBuilder::set_sidecar_uid(std::uint32_t uid) {
    policy().sidecar_uid = uid;
}

void PolicyBuilder::set_sidecar_gid(std::uint32_t gid) {
    policy().sidecar_gid = gid;
}

void PolicyBuilder::set_outbound_port(std::uint32_t port) {
    policy().outbound_port4 = static_cast<std::uint16_t>(port);
    if (profile_.ports.outbound6 == profile_.ports.outbound4) {
        policy().outbound_port6 = static_cast<std::uint16_t>(port);
    }
}

void PolicyBuilder::set_outbound_port_ipv6(std::uint32_t port) {
    outbound_port6_ = static_cast<std::uint16_t>(port);
}

void PolicyBuilder::set_inbound_port(std::uint32_t port) {
    policy().inbound_port4 = static_cast<std::uint16_t>(port);
    if (profile_.ports.inbound6 == profile_.ports.inbound4) {
        policy().inbound_port6 = static_cast<std::uint16_t>(port);
    }
}

// 0: IPv6 is not intercepted.
void PolicyBuilder::set_inbound_port_ipv6(std::uint32_t port) {
    if (port == 0) {
        never_intercept_ipv6();
    } else {
        inbound_port6_ = static_cast<std::uint16_t>(port);
    }
}

bool PolicyBuilder::set_acceleration(std::string_view word) {
    if (same_word(word, "auto")) {
        policy().acceleration = std::nullopt;
        return true;
    }
    for (const Acceleration each : {Acceleration::off, Acceleration::sidecar, Acceleration::full}) {
        if (same_word(word, to_string(each))) {
            policy().acceleration = each;
            return true;
        }
    }
    return false;
}

bool PolicyBuilder::set_inbound_mechanism(std::string_view word) {
    if (same_word(word, "auto")) {
        policy().inbound_mechanism = std::nullopt;
        return true;
    }
    for (const InboundMechanism each : {InboundMechanism::sk_lookup, InboundMechanism::tc}) {
        if (same_word(word, to_string(each))) {
            policy().inbound_mechanism = each;
            return true;
        }
    }
    return false;
}

// ---- all together ------------------------------------------------------------------------------

// With any_list, a list that is not given adds nothing to the ports and everything to the ranges
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
