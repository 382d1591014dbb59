#include "interceptor/datapath/tc_flows.h"

#include <array>
#include <cstring>
#include <set>

#include "bpf/abi.h"
#include "interceptor/datapath/policy.h"
#include "interceptor/interception/sock_diag.h"

namespace fsm {
namespace {

using Bytes = std::array<char, sizeof(fsm_flow_tuple)>;

Bytes bytes_of(const fsm_flow_tuple& tuple) {
    Bytes bytes;
    std::memcpy(bytes.data(), &tuple, sizeof(tuple));
    return bytes;
}

fsm_flow_tuple tuple_of(const TcpConnection& connection) {
    fsm_flow_tuple tuple{};
    tuple.pod = map_address(connection.local());
    tuple.remote = map_address(connection.remote());
    tuple.remote_port_be = connection.id.idiag_dport;
    tuple.inbound_port_be = connection.id.idiag_sport;
    return tuple;
}

}  // namespace

Result<void> reset_translated(const BpfMap& flows, std::uint64_t netns_cookie) {
    if (!may_have_tcp_sockets()) {
        return {};
    }
    FSM_ASSIGN(const auto entries, (flows.entries<fsm_flow_key, fsm_flow>()));
    std::set<Bytes> translated;
    for (const auto& [key, flow] : entries) {
        if (key.netns_cookie == netns_cookie) {
            translated.insert(bytes_of(flow.tuple));
        }
    }
    if (translated.empty()) {
        return {};
    }
    FSM_TRY(abort_connections([&](const TcpConnection& connection) {
        return translated.contains(bytes_of(tuple_of(connection)));
    }));
    return {};
}

}  // namespace fsm
