// The maps of bpf/maps.h that user space reads and writes, with their types.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "bpf/abi.h"
#include "common/result.h"
#include "interceptor/datapath/typed_map.h"

namespace fsm {

using PodsMap = TypedMap<std::uint64_t, struct fsm_pod>;
using ObservedMap = TypedMap<std::uint64_t, struct fsm_observed>;
using UsageMap = TypedMap<std::uint64_t, struct fsm_usage>;
using PodIpsMap = TypedMap<struct fsm_address, std::uint64_t>;
using AddressesMap = TypedMap<struct fsm_own_address, std::uint8_t>;
using PortsMap = TypedMap<struct fsm_port_key, std::uint8_t>;
using RangesMap = TypedMap<struct fsm_range_key, std::uint8_t>;
// Written with a socket's descriptor, read as its cookie.
using ListenersMap = TypedMap<struct fsm_listener_key, std::uint64_t>;
using ContainersMap = TypedMap<struct fsm_container_key, std::uint32_t>;
using SettingsMap = TypedMap<std::uint32_t, struct fsm_settings>;
using FlowsMap = TypedMap<struct fsm_flow_key, struct fsm_flow>;

using MapSet = std::map<std::string, BpfMap>;

struct DatapathMaps {
    PodsMap pods;
    ObservedMap observed;
    UsageMap usage;
    PodIpsMap pod_ips;
    AddressesMap addresses;
    PortsMap ports;
    RangesMap ranges;
    ListenersMap listeners;
    ContainersMap containers;
    SettingsMap settings;
    std::optional<FlowsMap> flows;  // of inbound by tc

    // The maps must outlive the result. An error if one is missing or has other sizes.
    static Result<DatapathMaps> of(const MapSet& maps);
};

}  // namespace fsm
