#include "interceptor/datapath/inventory.h"

#include <algorithm>

namespace fsm {

namespace {

bool can_fill(std::uint32_t type) {
    return type != BPF_MAP_TYPE_ARRAY && type != BPF_MAP_TYPE_PERCPU_ARRAY &&
           type != BPF_MAP_TYPE_PROG_ARRAY && type != BPF_MAP_TYPE_SK_STORAGE;
}

}  // namespace

Result<EnrolledPod> Inventory::describe(std::uint64_t netns_cookie,
                                        const struct fsm_pod& entry) const {
    EnrolledPod pod;
    pod.netns_cookie = netns_cookie;
    pod.inbound = inbound_of(entry);
    pod.acceleration = acceleration_of(entry.scope);
    FSM_ASSIGN(const struct fsm_observed observed, parts_.table.observed_of(netns_cookie));
    pod.listeners = seen_listeners(entry.listeners | observed.seen);
    const auto record = parts_.table.record_of(netns_cookie);
    if (!record || !record->enrolment) {
        pod.addresses = parts_.addresses.of(netns_cookie);
        return pod;
    }
    pod.addresses = record->enrolment->addresses;
    pod.inbound_reason = record->inbound_reason;
    FSM_ASSIGN(pod.conflicts, parts_.addresses.conflicts(*record->enrolment));
    if (pod.inbound == InboundMechanism::sk_lookup) {
        pod.draining = parts_.inbound.has_filters(netns_cookie);
    }
    return pod;
}

Result<std::vector<EnrolledPod>> Inventory::pods() const {
    std::vector<EnrolledPod> pods;
    FSM_ASSIGN(const auto entries, parts_.table.entries());
    for (const auto& [cookie, entry] : entries) {
        FSM_ASSIGN(EnrolledPod pod, describe(cookie, entry));
        pods.push_back(std::move(pod));
    }
    return pods;
}

Result<std::optional<EnrolledPod>> Inventory::pod(std::uint64_t netns_cookie) const {
    FSM_ASSIGN(const auto entry, parts_.table.entry_of(netns_cookie));
    if (!entry) {
        return std::optional<EnrolledPod>();
    }
    FSM_ASSIGN(EnrolledPod pod, describe(netns_cookie, *entry));
    return std::optional(std::move(pod));
}

Result<std::vector<DatapathMap>> Inventory::maps() const {
    std::vector<DatapathMap> maps;
    for (const auto& [name, map] : loaded_.maps) {
        FSM_ASSIGN(const std::uint64_t entries, map.count());
        maps.push_back(
            {name, map.id(), entries, map.shape().max_entries, can_fill(map.shape().type)});
    }
    return maps;
}

bool Inventory::is_attached(const ProgramSpec& spec, const std::vector<EnrolledPod>& pods) const {
    const auto any_by = [&](InboundMechanism mechanism) {
        return std::any_of(pods.begin(), pods.end(),
                           [&](const EnrolledPod& pod) { return pod.inbound == mechanism; });
    };
    switch (spec.kind) {
        case HookKind::cgroup:
            return node_.is_attached(spec.name);
        case HookKind::socket_map:
        case HookKind::call:
            return true;  // otherwise the data path could not be opened
        case HookKind::request:
            return false;
        case HookKind::netns:
            return any_by(InboundMechanism::sk_lookup);
        case HookKind::tc:
            return any_by(InboundMechanism::tc);
    }
    return false;
}

Result<std::vector<DatapathProgram>> Inventory::programs() const {
    std::vector<DatapathProgram> programs;
    FSM_ASSIGN(const std::vector<EnrolledPod> enrolled, pods());
    for (const ProgramSpec& spec : program_specs()) {
        if (spec.kind == HookKind::request) {
            continue;
        }
        const auto found = loaded_.programs.find(spec.name);
        if (found == loaded_.programs.end()) {
            programs.push_back({spec.name, spec.hook, 0, false});
            continue;
        }
        FSM_ASSIGN(const std::uint32_t id, program_id(found->second.get()));
        programs.push_back({spec.name, spec.hook, id, is_attached(spec, enrolled)});
    }
    return programs;
}

Result<std::vector<CounterValue>> Inventory::counters() const {
    std::vector<CounterValue> counters = {
#define FSM_COUNTER_VALUE(id, name, help) {name, help, 0},
        FSM_COUNTERS(FSM_COUNTER_VALUE)
#undef FSM_COUNTER_VALUE
    };
    const BpfMap& values = loaded_.maps.at("fsm_counters");
    for (std::uint32_t index = 0; index < counters.size(); ++index) {
        FSM_ASSIGN(counters[index].value, values.sum_over_cpus(index));
    }
    return counters;
}

}  // namespace fsm
