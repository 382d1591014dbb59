#include "interceptor/datapath/datapath_maps.h"

namespace fsm {
namespace {

template <typename Typed>
Result<Typed> typed(const MapSet& maps, const char* name) {
    const auto found = maps.find(name);
    if (found == maps.end()) {
        return Error(std::string("the data path has no map ") + name);
    }
    return Typed::of(found->second);
}

}  // namespace

Result<DatapathMaps> DatapathMaps::of(const MapSet& maps) {
    FSM_ASSIGN(const auto pods, typed<PodsMap>(maps, "fsm_pods"));
    FSM_ASSIGN(const auto observed, typed<ObservedMap>(maps, "fsm_observed"));
    FSM_ASSIGN(const auto usage, typed<UsageMap>(maps, "fsm_usage"));
    FSM_ASSIGN(const auto pod_ips, typed<PodIpsMap>(maps, "fsm_pod_ips"));
    FSM_ASSIGN(const auto addresses, typed<AddressesMap>(maps, "fsm_addresses"));
    FSM_ASSIGN(const auto ports, typed<PortsMap>(maps, "fsm_ports"));
    FSM_ASSIGN(const auto ranges, typed<RangesMap>(maps, "fsm_ranges"));
    FSM_ASSIGN(const auto listeners, typed<ListenersMap>(maps, "fsm_listeners"));
    FSM_ASSIGN(const auto containers, typed<ContainersMap>(maps, "fsm_containers"));
    FSM_ASSIGN(const auto settings, typed<SettingsMap>(maps, "fsm_settings"));
    std::optional<FlowsMap> flows;
    if (maps.contains("fsm_flows")) {
        FSM_ASSIGN(flows, typed<FlowsMap>(maps, "fsm_flows"));
    }
    return DatapathMaps{pods,   observed,  usage,      pod_ips,  addresses, ports,
                        ranges, listeners, containers, settings, flows};
}

}  // namespace fsm
