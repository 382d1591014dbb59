#include <algorithm>
#include <utility>

#include "interceptor/pod/annotation_values.h"
#include "interceptor/pod/mesh_profile.h"
#include "interceptor/pod/text.h"

namespace fsm {

namespace {

constexpr std::uint32_t kLastPort = 65535;
constexpr std::uint32_t kLastId = 0xfffffffe;  // the value above means "no change" to the kernel

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool has_word(const std::vector<std::string>& words, std::string_view word) {
    return std::any_of(words.begin(), words.end(),
                       [&](const std::string& each) { return same_word(each, word); });
}

// The container that is the sidecar, or nullptr. A plain init container has ended when the
// application starts, so it is none.
const Container* find_sidecar(const MeshProfile& profile, const Pod& pod) {
    for (const Container& container : pod.containers) {
        if (container.kind != Container::Kind::init &&
            has(profile.sidecar_containers, container.name)) {
            return &container;
        }
    }
    return nullptr;
}

// What the pod, or else its namespace, or else the mesh says.
std::optional<std::string> value_of(const AnnotationRule& rule, const Pod& pod) {
    if (rule.also_label) {
        if (const auto label = pod.labels.find(rule.name); label != pod.labels.end()) {
            return label->second;
        }
    }
    if (const auto own = pod.annotations.find(rule.name); own != pod.annotations.end()) {
        return own->second;
    }
    if (rule.inherited) {
        const auto above = pod.namespace_annotations.find(rule.name);
        if (above != pod.namespace_annotations.end()) {
            return above->second;
        }
    }
    return rule.value_when_absent;
}

enum class Switch : std::uint8_t { unsaid, enabled, disabled };

Switch read_switch(const AnnotationRule& rule, std::string_view text, Problems& problems) {
    const std::string_view value = trimmed(text);
    if (has_word(rule.enabled, value)) {
        return Switch::enabled;
    }
    if (has_word(rule.disabled, value)) {
        return Switch::disabled;
    }
    std::string what = in_quotes(value) + " is not one of " + joined(rule.enabled) + ", " +
                       joined(rule.disabled) + "; it is ignored";
    problems.add(rule.reason.empty() ? what : what + " (" + rule.reason + ")");
    return Switch::unsaid;
}

std::optional<std::string> exempting_environment(const MeshProfile& profile,
                                                 const Container& sidecar) {
    for (const auto& [variable, values] : profile.exempting_environment) {
        const auto found = sidecar.environment.find(variable);
        if (found != sidecar.environment.end() && has_word(values, trimmed(found->second))) {
            return "container " + sidecar.name + " has the variable " + variable + " set to " +
                   in_quotes(found->second);
        }
    }
    return std::nullopt;
}

template <typename Map>
std::optional<std::string> first_of(const std::vector<std::string>& names, const Map& map) {
    for (const std::string& name : names) {
        if (map.count(name) != 0) {
            return name;
        }
    }
    return std::nullopt;
}

template <typename Map>
std::optional<std::string> first_missing(const std::vector<std::string>& names, const Map& map) {
    for (const std::string& name : names) {
        if (map.count(name) == 0) {
            return name;
        }
    }
    return std::nullopt;
}

// Why a pod that has a sidecar is nevertheless not in the mesh; its switches apart.
std::optional<std::string> reason_for_exemption(const MeshProfile& profile, const Pod& pod,
                                                const Container& sidecar) {
    for (const Container& container : pod.containers) {
        if (has(profile.exempting_containers, container.name)) {
            return "it has a container named " + container.name;
        }
    }
    if (auto reason = exempting_environment(profile, sidecar)) {
        return reason;
    }
    for (const std::string& argument : profile.exempting_arguments) {
        if (has(sidecar.arguments, argument)) {
            return "container " + sidecar.name + " runs with the argument " + argument;
        }
    }
    if (const auto label = first_of(profile.exempting_labels, pod.labels)) {
        return "it has the label " + *label;
    }
    if (const auto name = first_of(profile.exempting_annotations, pod.annotations)) {
        return "it has the annotation " + *name;
    }
    if (const auto label = first_missing(profile.required_labels, pod.labels)) {
        return "it has no label " + *label;
    }
    if (const auto name = first_missing(profile.required_annotations, pod.annotations)) {
        return "it has no annotation " + *name;
    }
    return std::nullopt;
}

void unite(PortSet& all, const PortSet& more) {
    all.insert(more);
}

void unite(std::set<Cidr>& all, const std::set<Cidr>& more) {
    all.insert(more.begin(), more.end());
}

// What the inclusion lists of pod and node say together.
template <typename Set>
class Inclusion {
  public:
    explicit Inclusion(const std::optional<Set>& node) : listed_(node) {}

    // A list of the pod. One without a usable entry must not take the pod out of the mesh.
    void add(const EntryList<Set>& list, bool empty_means_none, Problems& problems) {
        if (list.all) {
            all_ = true;
        } else if (!list.entries.empty() || (list.empty && empty_means_none)) {
            if (!listed_) {
                listed_.emplace();
            }
            unite(*listed_, list.entries);
        } else if (!list.empty) {
            problems.add(
                "no entry of the list can be used, so it is ignored and everything is "
                "intercepted");
        }
    }
    bool said() const { return all_ || listed_; }
    // nullopt: everything.
    std::optional<Set> result() const { return all_ ? std::nullopt : listed_; }

  private:
    std::optional<Set> listed_;
    bool all_ = false;
};

// Gathers what one pod in the mesh says.
class PolicyBuilder {
  public:
    PolicyBuilder(const MeshProfile& profile, const Pod& pod, const NodeDefaults& node)
        : profile_(profile),
          outbound_ports_(node.outbound.included_ports),
          outbound_ranges_(node.outbound.included_ranges),
          inbound_ports_(node.inbound.included_ports) {
        start_from_profile();
        start_from_node(node);
        in_mesh_.user_namespace = pod.user_namespace;
    }

    void take_identity_from(const Container& sidecar, Problems& problems);
    void apply(const AnnotationRule& rule, const std::string& value, Problems& problems);
    InMesh finish(Problems& problems);

  private:
    void start_from_profile();
    void start_from_node(const NodeDefaults& node);
    void apply_switch(const AnnotationRule& rule, const std::string& value, Problems& problems);
    void apply_ports(const AnnotationRule& rule, const std::string& value, Problems& problems);
    void apply_ranges(const AnnotationRule& rule, const std::string& value, Problems& problems);
    void apply_number(const AnnotationRule& rule, const std::string& value, Problems& problems);
    void apply_inbound_port_ipv6(const std::string& value, Problems& problems);
    void apply_acceleration(const std::string& value, Problems& problems);
    void apply_inbound_mechanism(const std::string& value, Problems& problems);
    void combine_outbound_inclusion();
    void take_ports_of_profile();
    void settle_ports(Problems& problems);

    InterceptionPolicy& policy() { return in_mesh_.policy; }

    const MeshProfile& profile_;
    InMesh in_mesh_;
    Inclusion<PortSet> outbound_ports_;
    Inclusion<std::set<Cidr>> outbound_ranges_;
    Inclusion<PortSet> inbound_ports_;
    bool outbound_only_ = false;
    std::optional<std::uint16_t> outbound_port6_;
    std::optional<std::uint16_t> inbound_port6_;
};

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

void PolicyBuilder::take_identity_from(const Container& sidecar, Problems& problems) {
    if (!profile_.identity_from_container) {
        if (sidecar.run_as_user && *sidecar.run_as_user != profile_.sidecar_uid) {
            problems.add("it runs as uid " + std::to_string(*sidecar.run_as_user) +
                         ", but the mesh knows its sidecars by uid " +
                         std::to_string(profile_.sidecar_uid) +
                         ": its own traffic will be intercepted like an application's");
        }
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
        case AnnotationKind::unsupported:
            return problems.add("is not supported" +
                                (rule.reason.empty() ? "" : " (" + rule.reason + ")") +
                                "; it is ignored");
    }
}

void PolicyBuilder::apply_switch(const AnnotationRule& rule, const std::string& value,
                                 Problems& problems) {
    const Switch said = read_switch(rule, value, problems);
    if (rule.kind == AnnotationKind::ipv6 && said == Switch::disabled) {
        policy().ipv6 = Ipv6Mode::never;
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
        policy().ipv6 = Ipv6Mode::never;
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
    if (policy().sidecar_uid == 0 && profile_.sidecar_uid != 0) {
        problems.add(
            "it runs as uid 0: whatever else runs as root in the pod counts as the "
            "sidecar and is not intercepted");
    }
    return in_mesh_;
}

void append(std::vector<std::string>& all, const Problems& more) {
    for (std::string& sentence : more.sentences()) {
        all.push_back(std::move(sentence));
    }
}

// Looks at every rule that the pod says something about.
template <typename Use>
void for_each_annotation(const MeshProfile& profile, const Pod& pod,
                         std::vector<std::string>& all_problems, const Use& use) {
    for (const AnnotationRule& rule : profile.annotations) {
        if (const auto value = value_of(rule, pod)) {
            Problems problems("annotation " + rule.name);
            use(rule, *value, problems);
            append(all_problems, problems);
        }
    }
}

// The annotation that switches interception off for the pod, if there is one.
std::optional<std::string> switched_off_by(const MeshProfile& profile, const Pod& pod,
                                           std::vector<std::string>& all_problems) {
    std::optional<std::string> name;
    for_each_annotation(
        profile, pod, all_problems,
        [&](const AnnotationRule& rule, const std::string& value, Problems& problems) {
            if (rule.kind == AnnotationKind::injection &&
                read_switch(rule, value, problems) == Switch::disabled) {
                name = rule.name;
            }
        });
    return name;
}

}  // namespace

Decision decide(const MeshProfile& profile, const Pod& pod, const NodeDefaults& node) {
    if (pod.host_network) {
        return {NotInMesh{"it uses the network of the host"}, {}};
    }
    const Container* sidecar = find_sidecar(profile, pod);
    if (sidecar == nullptr) {
        return {NotInMesh{"it has no container named " + joined(profile.sidecar_containers)}, {}};
    }
    if (auto reason = reason_for_exemption(profile, pod, *sidecar)) {
        return {NotInMesh{std::move(*reason)}, {}};
    }
    std::vector<std::string> all_problems;
    if (const auto name = switched_off_by(profile, pod, all_problems)) {
        return {NotInMesh{"its annotation or label " + *name + " says so"},
                std::move(all_problems)};
    }
    PolicyBuilder builder(profile, pod, node);
    Problems of_container("container " + sidecar->name);
    builder.take_identity_from(*sidecar, of_container);
    for_each_annotation(profile, pod, all_problems,
                        [&](const AnnotationRule& rule, const std::string& value,
                            Problems& problems) { builder.apply(rule, value, problems); });
    InMesh in_mesh = builder.finish(of_container);
    in_mesh.sidecar_container = sidecar->name;
    append(all_problems, of_container);
    return {std::move(in_mesh), std::move(all_problems)};
}

}  // namespace fsm
