// MeshProfile: what distinguishes one mesh from another, as data (profiles/*.yaml), and the
// decision that follows from a profile and a pod. The keys of the files are described in
// profiles/custom.yaml.
//
// Units: ports in host order; uids and gids as the pod sees them. Threads: values without hidden
// state; decide() is a pure function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/interception.h"
#include "common/result.h"
#include "interceptor/pod/pod.h"
#include "interceptor/pod/pod_problem.h"

namespace fsm {

// Settings of the node or mesh that are added to every pod's own (mesh-wide exclusion lists,
// `inbound` and `acceleration` of the configuration). Lists of pod and node are united; for
// `inbound_mechanism` and `acceleration` the pod's annotation wins.
struct NodeDefaults {
    TrafficFilter outbound;
    TrafficFilter inbound;
    std::optional<InboundMechanism> inbound_mechanism;  // nullopt: auto
    std::optional<Acceleration> acceleration;           // nullopt: auto
    std::vector<std::string> excluded_interfaces;
    // Pods of these are never in the mesh.
    std::set<std::string, std::less<>> excluded_namespaces;

    bool operator==(const NodeDefaults&) const = default;
};

// What the lists of one pod may take in the maps that all pods share: prefixes of ports, and
// address ranges.
constexpr std::size_t kMaxListEntries = 4096;

struct NotInMesh {
    std::string reason;  // for logs: "no container named sidecar"
};

// Whether IPv6 is intercepted: as the policy says, or, with rules that the mesh makes from the
// addresses of the pod, when the first one or when any is of IPv6 (decide_ipv6()).
enum class Ipv6Rule : std::uint8_t { policy, first_address, any_address };

struct InMesh {
    // sidecar_uid and sidecar_gid are those that the pod's own user namespace knows: the
    // enroller maps them to the host's when `user_namespace` is set.
    InterceptionPolicy policy;
    std::vector<std::string> excluded_interfaces;
    bool user_namespace = false;  // spec.hostUsers: false
    std::string sidecar_container;
    Ipv6Rule ipv6_rule = Ipv6Rule::policy;
    std::string ipv6_switch;  // the variable with which any address counts; may be empty

    bool operator==(const InMesh&) const = default;
};

// In the mesh without a sidecar: the mesh carries its traffic by other means, and nothing of it is
// led to a sidecar.
struct Sidecarless {
    std::string reason;
};

// In the mesh, but it cannot be intercepted rightly: it must not start, and is not called in-mesh.
struct Refused {
    std::string reason;  // and what its owner has to change
};

struct Decision {
    std::variant<NotInMesh, InMesh, Refused, Sidecarless> verdict;
    // Entries that could not be used, each as a sentence that names the annotation, the entry and
    // what is expected. The rest of the pod's settings still apply.
    std::vector<PodProblem> problems;
    // What may surprise an owner, though nothing is wrong.
    std::vector<std::string> notes = {};
};

// Whether the mesh means the pod's traffic to go through its sidecar.
inline bool needs_interception(const Decision& decision) {
    return std::holds_alternative<InMesh>(decision.verdict) ||
           std::holds_alternative<Refused>(decision.verdict);
}

// What the value of an annotation means; annotation_kinds.h has how each reads, and its effect.
enum class AnnotationKind : std::uint8_t {
    // Switches, with accepted values.
    injection,      // disabled: the pod is not in the mesh
    ipv6,           // disabled: IPv6 is never intercepted
    outbound_only,  // enabled: inbound connections are not intercepted
    // Lists.
    outbound_excluded_ports,
    outbound_included_ports,
    inbound_excluded_ports,
    inbound_included_ports,
    outbound_excluded_ranges,
    outbound_included_ranges,
    inbound_excluded_ranges,
    excluded_interfaces,
    // Numbers.
    status_port,           // checked only: it is intercepted like any other port
    excluded_status_port,  // never intercepted inbound; 0 means that there is none
    sidecar_uid,
    sidecar_gid,
    outbound_port,  // both families, unless outbound_port_ipv6 says otherwise
    outbound_port_ipv6,
    inbound_port,  // both families, unless inbound_port_ipv6 says otherwise
    inbound_port_ipv6,
    // Words of this project.
    acceleration,       // auto, off, sidecar, full
    inbound_mechanism,  // auto, sk_lookup, tc
};

struct AnnotationRule {
    std::string name;
    AnnotationKind kind = AnnotationKind::injection;
    bool port_ranges = false;             // entries of a port list may be "a-b"
    std::optional<std::string> wildcard;  // the entry that means "all"
    std::optional<std::string> value_when_absent;
    std::vector<std::string> enabled;   // switches: accepted values, letter case ignored
    std::vector<std::string> disabled;  // switches: accepted values, letter case ignored
    bool also_label = false;            // switches: a label of this name wins over the annotation
    bool inherited = false;             // the namespace's annotation counts when the pod has none
    std::string reason;                 // switches: what a user has to know

    bool operator==(const AnnotationRule&) const = default;
};

// Something that a pod can ask of its mesh and that is not done here.
struct Unsupported {
    enum class Source : std::uint8_t { environment, annotation };  // of the sidecar's container
    // `say`: a problem of the pod. `refuse`: the pod is refused.
    enum class Effect : std::uint8_t { say, refuse };

    std::string name;
    Source source = Source::annotation;
    Effect effect = Effect::say;
    std::vector<std::string> values;    // that ask for it; none: every value that is not empty
    std::vector<std::string> harmless;  // without `values`: those that do not ask for it
    bool inherited = false;             // an annotation of the namespace counts, too
    std::string text;                   // what follows, and what to do

    bool operator==(const Unsupported&) const = default;
};

// What shows, beside its name, that a container is the mesh's sidecar. Any of these; none: the name
// is enough.
struct SidecarMarks {
    std::vector<std::string> labels;
    std::vector<std::string> annotations;
    bool uid = false;  // the container's runAsUser is the sidecar's uid

    bool operator==(const SidecarMarks&) const = default;

    bool empty() const { return labels.empty() && annotations.empty() && !uid; }
};

struct SidecarPorts {
    std::uint16_t outbound4 = 0;
    std::uint16_t inbound4 = 0;
    std::uint16_t outbound6 = 0;
    std::uint16_t inbound6 = 0;

    bool operator==(const SidecarPorts&) const = default;
};

struct MeshProfile {
    std::string name;

    // Who is the sidecar.
    std::vector<std::string> sidecar_containers;  // any of these; native sidecars count
    std::uint32_t sidecar_uid = 0;
    std::optional<std::uint32_t> sidecar_gid;
    bool identity_from_container = false;  // the container's runAsUser and runAsGroup win
    bool sidecar_reads_safely = false;
    SidecarMarks marks;
    // Containers of the mesh's own that may have the sidecar's uid or gid.
    std::vector<std::string> own_containers;
    SidecarPorts ports;

    // Which pods, besides those that have a sidecar.
    std::vector<std::string> required_labels;
    std::vector<std::string> required_annotations;
    std::vector<std::string> exempting_containers;
    std::vector<std::string> exempting_labels;
    std::vector<std::string> exempting_annotations;
    // Environment of the sidecar's container: variable and the values that exempt the pod.
    std::map<std::string, std::vector<std::string>> exempting_environment;
    std::vector<std::string> exempting_arguments;  // of the sidecar's container
    // Labels of a pod without a sidecar, and the values that mean that it is in the mesh all the
    // same.
    std::map<std::string, std::vector<std::string>> sidecarless_labels;

    // What is never intercepted, and what the sidecar may do.
    PortSet never_inbound_ports;
    PortSet never_outbound_ports;
    std::optional<IpAddress> own_source4;
    std::optional<IpAddress> own_source6;
    bool own_source_reaches_pod_address = true;
    std::uint16_t self_call_exempt_port = 0;
    Ipv6Mode ipv6 = Ipv6Mode::when_listening;
    Ipv6Rule ipv6_rule = Ipv6Rule::policy;
    // With Ipv6Rule::first_address: variable of the sidecar's container, and the values with which
    // any address counts.
    std::map<std::string, std::vector<std::string>> ipv6_any_address;
    InclusionRule outbound_inclusion = InclusionRule::every_list;
    bool empty_inclusion_means_none = false;  // an inclusion annotation with an empty value

    std::vector<AnnotationRule> annotations;
    std::vector<Unsupported> unsupported;

    bool operator==(const MeshProfile&) const = default;

    // The text of a profile. `origin` (a path) is named in errors, with line and key.
    static Result<MeshProfile> parse(std::string_view text, const std::string& origin);
    static Result<MeshProfile> load(const std::string& path);
    // One of those that are compiled in from profiles/*.yaml.
    static Result<MeshProfile> builtin(std::string_view name);
    static std::vector<std::string> builtin_names();
    // <directory>/<name>.yaml when there is such a file, else the built-in one. An empty directory
    // name: built-in only. A file there that is wrong is an error; it does not fall back.
    static Result<MeshProfile> find(const std::string& name, const std::string& directory);
};

// Whether the pod is in the mesh, and what is intercepted for it. A pod with the host's network is
// never in the mesh.
Decision decide(const MeshProfile& profile, const Pod& pod, const NodeDefaults& node);

}  // namespace fsm
