#include "interceptor/datapath/features.h"

#include <algorithm>

namespace fsm {
namespace {

using Need = FeatureSpec::Need;

// tc filters are attached by netlink.
constexpr bpf_attach_type kNoAttachType = __MAX_BPF_ATTACH_TYPE;

FeatureSpec interception() {
    return {
        Feature::interception,
        Need::mandatory,
        nullptr,
        {
            {"fsm_connect4", "cgroup/connect4", HookKind::cgroup, BPF_CGROUP_INET4_CONNECT, "5.15"},
            {"fsm_connect6", "cgroup/connect6", HookKind::cgroup, BPF_CGROUP_INET6_CONNECT, "5.15"},
            {"fsm_peername4", "cgroup/getpeername4", HookKind::cgroup, BPF_CGROUP_INET4_GETPEERNAME,
             "5.8"},
            {"fsm_peername6", "cgroup/getpeername6", HookKind::cgroup, BPF_CGROUP_INET6_GETPEERNAME,
             "5.8"},
            {"fsm_sockname4", "cgroup/getsockname4", HookKind::cgroup, BPF_CGROUP_INET4_GETSOCKNAME,
             "5.8"},
            {"fsm_sockname6", "cgroup/getsockname6", HookKind::cgroup, BPF_CGROUP_INET6_GETSOCKNAME,
             "5.8"},
            {"fsm_getsockopt", "cgroup/getsockopt", HookKind::cgroup, BPF_CGROUP_GETSOCKOPT,
             "5.15"},
            {"fsm_sockops", "sockops", HookKind::cgroup, BPF_CGROUP_SOCK_OPS, "5.15"},
        },
        {{"fsm_pods"},
         {"fsm_pod_ips"},
         {"fsm_addresses"},
         {"fsm_observed"},
         {"fsm_usage"},
         {"fsm_ports"},
         {"fsm_ranges"},
         {"fsm_listeners"},
         {"fsm_containers"},
         {"fsm_settings"},
         {"fsm_counters"},
         {"fsm_conn"},
         {"fsm_handshakes"}},
    };
}

FeatureSpec acceleration() {
    return {
        Feature::acceleration,
        Need::optional,
        &KernelProbe::order_and_flow_control,
        {{"fsm_msg", "sk_msg", HookKind::socket_map, BPF_SK_MSG_VERDICT, "5.15"}},
        {{"fsm_sockets"}, {"fsm_pace"}},
    };
}

FeatureSpec inbound_lookup() {
    return {
        Feature::inbound_lookup,
        Need::optional,
        &KernelProbe::sk_lookup,
        {{"fsm_lookup", "sk_lookup", HookKind::netns, BPF_SK_LOOKUP, "5.9"},
         {"fsm_steer", "sk_lookup, for all pods", HookKind::call, BPF_SK_LOOKUP, "5.9"}},
        {{"fsm_lookup_calls"}, {"fsm_callers"}},
    };
}

FeatureSpec inbound_tc() {
    return {
        Feature::inbound_tc,
        Need::optional,
        &KernelProbe::tc,
        {{"fsm_ingress", "tc ingress", HookKind::tc, kNoAttachType, "5.15"},
         {"fsm_egress", "tc egress", HookKind::tc, kNoAttachType, "5.15"},
         {"fsm_tc_in", "tc ingress, for all pods", HookKind::call, kNoAttachType, "5.15"},
         {"fsm_tc_out", "tc egress, for all pods", HookKind::call, kNoAttachType, "5.15"}},
        {{"fsm_tc_calls"}, {"fsm_flows"}},
    };
}

FeatureSpec events() {
    return {Feature::events, Need::optional, nullptr, {}, {{"fsm_events", MapSpec::Life::process}}};
}

// The iterator is of 5.9, socket cookies and storage in its programs of 5.12.
FeatureSpec connections() {
    return {Feature::connections,
            Need::optional,
            nullptr,
            {{kConnectionsProgram, "iter/bpf_sk_storage_map, on request", HookKind::request,
              BPF_TRACE_ITER, "5.12"}},
            {{kConnectionsMap, MapSpec::Life::process}}};
}

// Empty: it is loaded.
std::string reason_against(const FeatureSpec& spec, const FeatureSet& disabled,
                           const KernelProbe& probe) {
    if (disabled.contains(spec.feature)) {
        return disabled_reason(spec.feature);
    }
    if (spec.works != nullptr && !(probe.*spec.works)) {
        return "the kernel does not do what it needs";
    }
    return {};
}

}  // namespace

const std::vector<FeatureSpec>& features() {
    static const std::vector<FeatureSpec> specs = {interception(), acceleration(), inbound_lookup(),
                                                   inbound_tc(),   events(),       connections()};
    return specs;
}

std::string disabled_reason(Feature feature) {
    return "disabledFeatures of the configuration names " + std::string(to_string(feature));
}

const FeatureSpec& spec_of(Feature feature) {
    return *std::find_if(features().begin(), features().end(),
                         [&](const FeatureSpec& spec) { return spec.feature == feature; });
}

const std::vector<ProgramSpec>& program_specs() {
    static const std::vector<ProgramSpec> specs = [] {
        std::vector<ProgramSpec> all;
        for (const FeatureSpec& feature : features()) {
            all.insert(all.end(), feature.programs.begin(), feature.programs.end());
        }
        return all;
    }();
    return specs;
}

FeatureChoice choose_features(const FeatureSet& disabled, const FeatureSet& attached,
                              const KernelProbe& probe) {
    FeatureChoice choice;
    for (const FeatureSpec& spec : features()) {
        const std::string reason = reason_against(spec, disabled, probe);
        if (spec.need == Need::mandatory || attached.contains(spec.feature) || reason.empty()) {
            choice.used.insert(spec.feature);
        } else {
            choice.unused.emplace(spec.feature, reason);
        }
    }
    return choice;
}

}  // namespace fsm
