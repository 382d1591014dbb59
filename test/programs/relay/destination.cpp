#include "relay/destination.h"

#include <netinet/in.h>

#include <algorithm>

namespace fsm::test {

namespace {

bool is_own_port(const Config& config, std::uint16_t port) {
    return std::any_of(config.addresses.begin(), config.addresses.end(),
                       [&](const ListenAddress& own) { return own.endpoint.port() == port; });
}

Result<Route> inbound_route(const Config& config, const Endpoint& original) {
    Route way;
    way.source = original.family() == AF_INET6 ? config.source6 : config.source4;
    if (config.inbound_target == InboundTarget::original) {
        way.destination = original;
        return way;
    }
    FSM_ASSIGN(way.destination, Endpoint::parse(original.family() == AF_INET6 ? "::1" : "127.0.0.1",
                                                original.port()));
    return way;
}

}  // namespace

Result<Route> route(const Config& config, const Observation& observation) {
    if (!observation.original) {
        return observation.original.error();
    }
    const Endpoint& original = *observation.original;
    if (observation.direction == Direction::inbound) {
        if (is_own_port(config, original.port())) {
            return Error(
                "the original destination " + original.to_string() + " is a port of the relay",
                ELOOP);
        }
        return inbound_route(config, original);
    }
    if (observation.local && *observation.local == original) {
        return Error("the connection was made to the relay itself", ELOOP);
    }
    return Route{std::nullopt, original};
}

Result<Fd> start_connect(const Route& way) {
    FSM_ASSIGN(Fd fd, tcp_socket(way.destination.family(), Blocking::no));
    if (way.source) {
        // Without this every connection would reserve a port of the source address.
        FSM_TRY(set_option(fd.get(), SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1));
        if (::bind(fd.get(), way.source->raw(), way.source->length()) != 0) {
            return Error::from_errno("bind " + way.source->to_string());
        }
    }
    if (::connect(fd.get(), way.destination.raw(), way.destination.length()) != 0 &&
        errno != EINPROGRESS) {
        return Error::from_errno("connect " + way.destination.to_string());
    }
    return fd;
}

}  // namespace fsm::test
