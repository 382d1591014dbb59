// Builds a pod's policy from a profile, the settings of the node and the pod's annotations.
// Internal to this folder.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "interceptor/pod/annotation_kinds.h"
#include "interceptor/pod/annotation_values.h"
#include "interceptor/pod/mesh_profile.h"

namespace fsm {

inline void unite(PortSet& all, const PortSet& more) {
    all.insert(more);
}

inline void unite(std::set<Cidr>& all, const std::set<Cidr>& more) {
    all.insert(more.begin(), more.end());
}

// Combines the inclusion lists of pod and node.
template <typename Set>
class Inclusion {
  public:
    explicit Inclusion(const std::optional<Set>& node) : listed_(node) {}

    // A list of the pod. One without a valid entry must not remove the pod from the mesh.
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

class PolicyBuilder {
  public:
    PolicyBuilder(const MeshProfile& profile, const Pod& pod, const NodeDefaults& node);

    void take_identity_from(const Container& sidecar);
    void apply(const AnnotationRule& rule, const std::string& value, Problems& problems);
    InMesh finish(Problems& problems);
    // Why the data path refuses the finished policy: its lists are too long. nullopt: it does not.
    std::optional<std::string> excess() const;

    // The effects of annotations: see the table in annotation_kinds.cpp.
    void never_intercept_ipv6();
    void intercept_outbound_only() { outbound_only_ = true; }
    void exclude_outbound_ports(const PortList& list, Problems& problems);
    void include_outbound_ports(const PortList& list, Problems& problems);
    void exclude_inbound_ports(const PortList& list, Problems& problems);
    void include_inbound_ports(const PortList& list, Problems& problems);
    void exclude_outbound_ranges(const RangeList& list, Problems& problems);
    void include_outbound_ranges(const RangeList& list, Problems& problems);
    void exclude_inbound_ranges(const RangeList& list, Problems& problems);
    void exclude_interfaces(std::vector<std::string> names);
    void exclude_status_port(std::uint32_t port);
    void set_sidecar_uid(std::uint32_t uid);
    void set_sidecar_gid(std::uint32_t gid);
    void set_outbound_port(std::uint32_t port);
    void set_outbound_port_ipv6(std::uint32_t port);
    void set_inbound_port(std::uint32_t port);
    void set_inbound_port_ipv6(std::uint32_t port);
    bool set_acceleration(std::string_view word);
    bool set_inbound_mechanism(std::string_view word);

  private:
    // The annotation whose list takes the most entries.
    struct Longest {
        std::string annotation;
        std::size_t entries = 0;
    };

    void start_from_profile();
    void start_from_node(const NodeDefaults& node);
    // The effect of a value by its form, independent of its kind.
    void use(const SwitchForm& form, const AnnotationRule& rule, const std::string& value,
             Problems& problems);
    void use(const PortsForm& form, const AnnotationRule& rule, const std::string& value,
             Problems& problems);
    void use(const RangesForm& form, const AnnotationRule& rule, const std::string& value,
             Problems& problems);
    void use(const InterfacesForm& form, const AnnotationRule& rule, const std::string& value,
             Problems& problems);
    void use(const NumberForm& form, const AnnotationRule& rule, const std::string& value,
             Problems& problems);
    void use(const WordForm& form, const AnnotationRule& rule, const std::string& value,
             Problems& problems);
    void note_length(const AnnotationRule& rule, std::size_t entries);
    void combine_outbound_inclusion();
    void take_ports_of_profile();
    void settle_ports(Problems& problems);

    InterceptionPolicy& policy() { return in_mesh_.policy; }

    const MeshProfile& profile_;
    InMesh in_mesh_;
    Inclusion<PortSet> outbound_ports_;
    Inclusion<std::set<Cidr>> outbound_ranges_;
    Inclusion<PortSet> inbound_ports_;
    Longest longest_;
    bool outbound_only_ = false;
    std::optional<std::uint16_t> outbound_port6_;
    std::optional<std::uint16_t> inbound_port6_;
};

}  // namespace fsm
