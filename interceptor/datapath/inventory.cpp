// What KernelDatapath says of what there is: pods, maps, programs, counters.
#include <algorithm>

#include "interceptor/datapath/kernel_datapath.h"

namespace fsm {

Result<EnrolledPod> KernelDatapath::describe(std::uint64_t netns_cookie,
                                             const struct fsm_pod& entry) const {
    EnrolledPod pod;
    pod.netns_cookie = netns_cookie;
    pod.inbound = (entry.flags & FSM_POD_INBOUND_TC) != 0 ? InboundMechanism::tc
                                                          : InboundMechanism::sk_lookup;
    pod.acceleration = acceleration_of(entry);
    FSM_ASSIGN(const struct fsm_observed observed, observed_of(netns_cookie));
    pod.listeners = seen_listeners(entry.listeners | observed.seen);
    const auto record = record_of(netns_cookie);
    if (!record || !record->enrolment) {
        pod.addresses = addresses_.of(netns_cookie);
        return pod;
    }
    pod.addresses = record->enrolment->addresses;
    pod.inbound_reason = record->inbound_reason;
    FSM_ASSIGN(pod.conflicts, addresses_.conflicts(*record->enrolment));
    if (pod.inbound == InboundMechanism::sk_lookup) {
        pod.draining = inbound_.has_filters(netns_cookie);
    }
    return pod;
}

Result<std::vector<EnrolledPod>> KernelDatapath::pods() const {
    std::vector<EnrolledPod> pods;
    FSM_ASSIGN(const auto entries, (map("fsm_pods").entries<std::uint64_t, struct fsm_pod>()));
    for (const auto& [cookie, entry] : entries) {
        FSM_ASSIGN(EnrolledPod pod, describe(cookie, entry));
        pods.push_back(std::move(pod));
    }
    return pods;
}

Result<std::optional<EnrolledPod>> KernelDatapath::pod(std::uint64_t netns_cookie) const {
    FSM_ASSIGN(const auto entry, entry_of(netns_cookie));
    if (!entry) {
        return std::optional<EnrolledPod>();
    }
    FSM_ASSIGN(EnrolledPod pod, describe(netns_cookie, *entry));
    return std::optional(std::move(pod));
}

Result<std::vector<DatapathMap>> KernelDatapath::maps() const {
    std::vector<DatapathMap> maps;
    for (const auto& [name, map] : parts_.loaded.maps) {
        FSM_ASSIGN(const std::uint64_t entries, map.count());
        maps.push_back({name, map.id(), entries, map.shape().max_entries});
    }
    return maps;
}

Result<bool> KernelDatapath::is_attached(const ProgramSpec& spec,
                                         const std::vector<EnrolledPod>& pods) const {
    const auto any_by = [&](InboundMechanism mechanism) {
        return std::any_of(pods.begin(), pods.end(),
                           [&](const EnrolledPod& pod) { return pod.inbound == mechanism; });
    };
    switch (spec.kind) {
        case HookKind::cgroup:
            return parts_.node.is_attached(spec.name);
        case HookKind::socket_map:
        case HookKind::call:
            return true;  // or open() would have failed
        case HookKind::netns:
            return any_by(InboundMechanism::sk_lookup);
        case HookKind::tc:
            return any_by(InboundMechanism::tc);
    }
    return false;
}

Result<std::vector<DatapathProgram>> KernelDatapath::programs() const {
    std::vector<DatapathProgram> programs;
    FSM_ASSIGN(const std::vector<EnrolledPod> enrolled, pods());
    for (const ProgramSpec& spec : program_specs()) {
        const auto found = parts_.loaded.programs.find(spec.name);
        if (found == parts_.loaded.programs.end()) {
            programs.push_back({spec.name, spec.hook, 0, false});
            continue;
        }
        FSM_ASSIGN(const std::uint32_t id, program_id(found->second.get()));
        FSM_ASSIGN(const bool attached, is_attached(spec, enrolled));
        programs.push_back({spec.name, spec.hook, id, attached});
    }
    return programs;
}

Result<std::vector<CounterValue>> KernelDatapath::counters() const {
    std::vector<CounterValue> counters = {
#define FSM_COUNTER_VALUE(id, name, help) {name, help, 0},
        FSM_COUNTERS(FSM_COUNTER_VALUE)
#undef FSM_COUNTER_VALUE
    };
    for (std::uint32_t index = 0; index < counters.size(); ++index) {
        FSM_ASSIGN(counters[index].value, map("fsm_counters").sum_over_cpus(index));
    }
    return counters;
}

}  // namespace fsm
