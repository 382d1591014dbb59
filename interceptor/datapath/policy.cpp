#include "interceptor/datapath/policy.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "common/failures.h"

namespace fsm {
namespace {

constexpr std::uint8_t kListed = 1;

void add_ports(PolicyEntries& entries, std::uint32_t pod_id, fsm_list list, const PortSet& ports) {
    const std::vector<fsm_port_key> keys = port_keys(pod_id, list, ports);
    entries.ports.insert(entries.ports.end(), keys.begin(), keys.end());
}

void add_ranges(PolicyEntries& entries, std::uint32_t pod_id, fsm_list list,
                const std::set<Cidr>& ranges) {
    for (const Cidr& range : ranges) {
        fsm_range_key key{};
        key.prefixlen = FSM_RANGE_FIXED_BITS + range.mapped_prefix_length();
        key.pod_id = pod_id;
        key.list = range.is_v4() ? list : list | FSM_RANGE_IPV6;
        std::memcpy(key.address, range.address().bytes().data(), sizeof(key.address));
        entries.ranges.push_back(key);
    }
}

void add_filter(PolicyEntries& entries, std::uint32_t pod_id, const TrafficFilter& filter,
                fsm_list exclude, fsm_list include) {
    add_ports(entries, pod_id, exclude, filter.excluded_ports);
    add_ranges(entries, pod_id, exclude, filter.excluded_ranges);
    if (filter.included_ports) {
        add_ports(entries, pod_id, include, *filter.included_ports);
    }
    if (filter.included_ranges) {
        add_ranges(entries, pod_id, include, *filter.included_ranges);
    }
}

struct FilterFlags {
    std::uint32_t exclude_ports;
    std::uint32_t include_ports;
    std::uint32_t exclude_ranges;
    std::uint32_t include_ranges;
};

constexpr FilterFlags kOutboundFlags{FSM_POD_OUT_EXCLUDE_PORTS, FSM_POD_OUT_INCLUDE_PORTS,
                                     FSM_POD_OUT_EXCLUDE_RANGES, FSM_POD_OUT_INCLUDE_RANGES};
constexpr FilterFlags kInboundFlags{FSM_POD_IN_EXCLUDE_PORTS, FSM_POD_IN_INCLUDE_PORTS,
                                    FSM_POD_IN_EXCLUDE_RANGES, FSM_POD_IN_INCLUDE_RANGES};

std::uint32_t filter_flags(const TrafficFilter& filter, const FilterFlags& flags) {
    return (filter.excluded_ports.empty() ? 0 : flags.exclude_ports) |
           (filter.included_ports ? flags.include_ports : 0) |
           (filter.excluded_ranges.empty() ? 0 : flags.exclude_ranges) |
           (filter.included_ranges ? flags.include_ranges : 0);
}

std::uint32_t pod_flags(const InterceptionPolicy& policy, InboundMechanism inbound) {
    std::uint32_t flags =
        filter_flags(policy.outbound, kOutboundFlags) | filter_flags(policy.inbound, kInboundFlags);
    if (policy.outbound_port4 != 0 || policy.outbound_port6 != 0) {
        flags |= FSM_POD_OUTBOUND;
    }
    if (policy.inbound_port4 != 0 || policy.inbound_port6 != 0) {
        flags |= FSM_POD_INBOUND;
    }
    if (policy.outbound_inclusion == InclusionRule::any_list) {
        flags |= FSM_POD_OUT_INCLUDE_ANY;
    }
    if (policy.sidecar_gid) {
        flags |= FSM_POD_HAS_GID;
    }
    if (policy.own_source_reaches_pod_address) {
        flags |= FSM_POD_OWN_SOURCE_REACHES_POD;
    }
    if (inbound == InboundMechanism::tc) {
        flags |= FSM_POD_INBOUND_TC;
    }
    return flags;
}

std::uint8_t map_scope(Acceleration acceleration) {
    switch (acceleration) {
        case Acceleration::off:
            return FSM_SCOPE_OFF;
        case Acceleration::sidecar:
            return FSM_SCOPE_SIDECAR;
        case Acceleration::full:
            return FSM_SCOPE_FULL;
    }
    return FSM_SCOPE_OFF;
}

std::uint8_t map_ipv6(Ipv6Mode mode) {
    switch (mode) {
        case Ipv6Mode::never:
            return FSM_IPV6_NEVER;
        case Ipv6Mode::when_listening:
            return FSM_IPV6_WHEN_LISTENING;
        case Ipv6Mode::always:
            return FSM_IPV6_ALWAYS;
    }
    return FSM_IPV6_NEVER;
}

// The first address of each family is the pod's own.
void set_addresses(struct fsm_pod& entry, const std::vector<IpAddress>& addresses) {
    const auto v4 = std::find_if(addresses.begin(), addresses.end(),
                                 [](const IpAddress& address) { return address.is_v4(); });
    const auto v6 = std::find_if(addresses.begin(), addresses.end(),
                                 [](const IpAddress& address) { return !address.is_v4(); });
    if (v4 != addresses.end()) {
        entry.address4_be = v4->v4_network_order();
    }
    if (v6 != addresses.end()) {
        std::memcpy(entry.address6_be, v6->bytes().data(), sizeof(entry.address6_be));
    }
}

// One key type's part of write_policy: on failure the written entries are deleted.
template <typename Key>
Result<void> write_listed(const TypedMap<Key, std::uint8_t>& map, const std::vector<Key>& keys) {
    for (std::size_t at = 0; at < keys.size(); ++at) {
        auto written = map.put(keys[at], kListed);
        if (written) {
            continue;
        }
        std::string left_behind;
        for (std::size_t undone = 0; undone < at; ++undone) {
            const auto removed = map.remove(keys[undone]);
            if (!removed) {
                left_behind = "; and not undone: " + removed.error().message();
            }
        }
        return Error(written.error().message() + left_behind, written.error().errno_value());
    }
    return {};
}

template <typename Key>
Result<void> purge(const TypedMap<Key, std::uint8_t>& map,
                   const std::function<bool(std::uint32_t)>& is_stale) {
    FSM_ASSIGN(const std::vector<Key> keys, map.keys());
    for (const Key& key : keys) {
        if (is_stale(key.pod_id)) {
            FSM_TRY(map.remove(key));
        }
    }
    return {};
}

}  // namespace

std::vector<fsm_port_key> port_keys(std::uint32_t pod_id, std::uint16_t list,
                                    const PortSet& ports) {
    std::vector<fsm_port_key> keys;
    for (const PortPrefix& prefix : ports.prefixes()) {
        fsm_port_key key{};
        key.prefixlen = FSM_PORT_FIXED_BITS + prefix.length;
        key.pod_id = pod_id;
        key.list = list;
        key.port_be = htons(prefix.port);
        keys.push_back(key);
    }
    return keys;
}

PolicyEntries policy_entries(std::uint32_t pod_id, const InterceptionPolicy& policy) {
    PolicyEntries entries;
    add_filter(entries, pod_id, policy.outbound, FSM_OUT_EXCLUDE, FSM_OUT_INCLUDE);
    add_filter(entries, pod_id, policy.inbound, FSM_IN_EXCLUDE, FSM_IN_INCLUDE);
    return entries;
}

struct fsm_pod pod_entry(const PodEnrolment& enrolment, const PodDecision& decision) {
    const InterceptionPolicy& policy = enrolment.policy;
    struct fsm_pod entry {};
    entry.pod_id = decision.pod_id;
    entry.flags = pod_flags(policy, decision.inbound);
    entry.sidecar_uid = policy.sidecar_uid;
    entry.sidecar_gid = policy.sidecar_gid.value_or(0);
    entry.outbound_port4 = policy.outbound_port4;
    entry.inbound_port4 = policy.inbound_port4;
    entry.outbound_port6 = policy.outbound_port6;
    entry.inbound_port6 = policy.inbound_port6;
    entry.self_call_exempt_port = policy.self_call_exempt_port;
    entry.scope = map_scope(decision.acceleration);
    entry.ipv6 = map_ipv6(policy.ipv6);
    entry.listeners = decision.listeners;
    set_addresses(entry, enrolment.addresses);
    if (policy.own_source4) {
        entry.own_source4_be = policy.own_source4->v4_network_order();
    }
    if (policy.own_source6) {
        std::memcpy(entry.own_source6_be, policy.own_source6->bytes().data(),
                    sizeof(entry.own_source6_be));
    }
    return entry;
}

Acceleration acceleration_of(std::uint8_t scope) {
    switch (scope) {
        case FSM_SCOPE_SIDECAR:
            return Acceleration::sidecar;
        case FSM_SCOPE_FULL:
            return Acceleration::full;
        default:
            return Acceleration::off;
    }
}

struct fsm_address map_address(const IpAddress& address) {
    struct fsm_address result {};
    std::memcpy(result.bytes, address.bytes().data(), sizeof(result.bytes));
    return result;
}

IpAddress ip_address(const struct fsm_address& address) {
    IpAddress::Bytes bytes{};
    std::memcpy(bytes.data(), address.bytes, bytes.size());
    return IpAddress(bytes);
}

Result<void> write_policy(const PortsMap& ports, const RangesMap& ranges,
                          const PolicyEntries& entries) {
    FSM_TRY(write_listed(ports, entries.ports));
    auto written = write_listed(ranges, entries.ranges);
    if (!written) {
        for (const fsm_port_key& key : entries.ports) {
            FSM_TRY(ports.remove(key));
        }
    }
    return written;
}

Result<void> remove_policy(const PortsMap& ports, const RangesMap& ranges,
                           const PolicyEntries& entries) {
    Failures failures;
    for (const fsm_port_key& key : entries.ports) {
        failures.note(ports.remove(key));
    }
    for (const fsm_range_key& key : entries.ranges) {
        failures.note(ranges.remove(key));
    }
    return failures.result();
}

Result<void> purge_policies(const PortsMap& ports, const RangesMap& ranges,
                            const std::function<bool(std::uint32_t pod_id)>& is_stale) {
    FSM_TRY(purge(ports, is_stale));
    return purge(ranges, is_stale);
}

}  // namespace fsm
