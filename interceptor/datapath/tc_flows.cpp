#include "interceptor/datapath/tc_flows.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <set>

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

std::uint64_t monotonic_nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000ULL +
           static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

Result<bool> TcFlows::has_any_of(std::uint64_t netns_cookie) const {
    if (!flows_) {
        return false;
    }
    FSM_ASSIGN(const auto flows, flows_->entries());
    return std::any_of(flows.begin(), flows.end(),
                       [&](const auto& flow) { return flow.first.netns_cookie == netns_cookie; });
}

Result<void> TcFlows::reset(std::uint64_t netns_cookie) const {
    if (!flows_ || !may_have_tcp_sockets()) {
        return {};
    }
    FSM_ASSIGN(const auto entries, flows_->entries());
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

Result<void> TcFlows::sweep() const {
    if (!flows_) {
        return {};
    }
    FSM_ASSIGN(const auto flows, flows_->entries());
    const std::uint64_t now = monotonic_nanoseconds();
    for (const auto& [key, flow] : flows) {
        if (flow.idle_since_ns != 0 && flow.idle_since_ns + FSM_FLOW_LINGER_NS < now) {
            FSM_TRY(flows_->remove(key));
        }
    }
    return {};
}

}  // namespace fsm
