#include "interceptor/pod/ipv6_rule.h"

#include <algorithm>
#include <utility>

namespace fsm {

Ipv6Decision decide_ipv6(const InMesh& pod, const std::vector<IpAddress>& addresses) {
    if (pod.ipv6_rule == Ipv6Rule::policy) {
        return {pod.policy.ipv6, ""};
    }
    const auto is_v4 = [](const IpAddress& address) { return address.is_v4(); };
    const bool any_v6 = !std::all_of(addresses.begin(), addresses.end(), is_v4);
    // The kernel lists IPv4 addresses before IPv6 ones, regardless of their interface: the first
    // one is IPv6 only if the pod has no IPv4.
    const bool first_v6 = any_v6 && std::none_of(addresses.begin(), addresses.end(), is_v4);
    if (pod.ipv6_rule == Ipv6Rule::any_address ? any_v6 : first_v6) {
        return {Ipv6Mode::always, ""};
    }
    if (!any_v6) {
        return {Ipv6Mode::never, ""};
    }
    std::string note =
        "its IPv6 traffic passes the sidecar, as under the mesh's own rules: its first address is "
        "of IPv4";
    if (!pod.ipv6_switch.empty()) {
        note += ", and the sidecar's variable " + pod.ipv6_switch + " does not ask for both";
    }
    return {Ipv6Mode::never, std::move(note)};
}

}  // namespace fsm
