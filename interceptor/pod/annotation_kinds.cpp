#include "interceptor/pod/annotation_kinds.h"

#include <algorithm>

#include "interceptor/pod/policy_builder.h"

namespace fsm {

namespace {

constexpr std::uint32_t kLastPort = 65535;
constexpr std::uint32_t kLastId = 0xfffffffe;  // the value above means "no change" to the kernel

}  // namespace

const std::vector<AnnotationKindRow>& annotation_kinds() {
    using Kind = AnnotationKind;
    using Builder = PolicyBuilder;
    static const std::vector<AnnotationKindRow> kTable = {
        {Kind::injection, "injection", SwitchForm{Switch::disabled, nullptr}},
        {Kind::ipv6, "ipv6", SwitchForm{Switch::disabled, &Builder::never_intercept_ipv6}},
        {Kind::outbound_only, "outbound_only",
         SwitchForm{Switch::enabled, &Builder::intercept_outbound_only}},
        {Kind::outbound_excluded_ports, "outbound_excluded_ports",
         PortsForm{&Builder::exclude_outbound_ports}},
        {Kind::outbound_included_ports, "outbound_included_ports",
         PortsForm{&Builder::include_outbound_ports}},
        {Kind::inbound_excluded_ports, "inbound_excluded_ports",
         PortsForm{&Builder::exclude_inbound_ports}},
        {Kind::inbound_included_ports, "inbound_included_ports",
         PortsForm{&Builder::include_inbound_ports}},
        {Kind::outbound_excluded_ranges, "outbound_excluded_ranges",
         RangesForm{&Builder::exclude_outbound_ranges}},
        {Kind::outbound_included_ranges, "outbound_included_ranges",
         RangesForm{&Builder::include_outbound_ranges}},
        {Kind::inbound_excluded_ranges, "inbound_excluded_ranges",
         RangesForm{&Builder::exclude_inbound_ranges}},
        {Kind::excluded_interfaces, "excluded_interfaces",
         InterfacesForm{&Builder::exclude_interfaces}},
        {Kind::status_port, "status_port", NumberForm{1, kLastPort, nullptr}},
        {Kind::excluded_status_port, "excluded_status_port",
         NumberForm{0, kLastPort, &Builder::exclude_status_port}},
        {Kind::sidecar_uid, "sidecar_uid", NumberForm{0, kLastId, &Builder::set_sidecar_uid}},
        {Kind::sidecar_gid, "sidecar_gid", NumberForm{0, kLastId, &Builder::set_sidecar_gid}},
        {Kind::outbound_port, "outbound_port",
         NumberForm{1, kLastPort, &Builder::set_outbound_port}},
        {Kind::outbound_port_ipv6, "outbound_port_ipv6",
         NumberForm{1, kLastPort, &Builder::set_outbound_port_ipv6}},
        {Kind::inbound_port, "inbound_port", NumberForm{1, kLastPort, &Builder::set_inbound_port}},
        {Kind::inbound_port_ipv6, "inbound_port_ipv6",
         NumberForm{0, kLastPort, &Builder::set_inbound_port_ipv6}},
        {Kind::acceleration, "acceleration",
         WordForm{"auto, off, sidecar, full", &Builder::set_acceleration}},
        {Kind::inbound_mechanism, "inbound_mechanism",
         WordForm{"auto, sk_lookup, tc", &Builder::set_inbound_mechanism}},
    };
    return kTable;
}

const AnnotationKindRow& row_of(AnnotationKind kind) {
    const auto& table = annotation_kinds();
    return *std::find_if(table.begin(), table.end(),
                         [&](const AnnotationKindRow& row) { return row.kind == kind; });
}

}  // namespace fsm
