// Source addresses and ports that the application chose itself.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "probe/cases.h"

namespace fsm::test {

namespace {

constexpr int kSendTimeoutSeconds = 3;

// Binds, connects and exchanges a few bytes. The connect is bounded by SO_SNDTIMEO.
void bind_and_call(const Context& context, std::string_view prefix, const Fd& fd,
                   const Endpoint& source, const Endpoint& target) {
    const std::string start(prefix);
    context.need_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    const timeval limit{kSendTimeoutSeconds, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    context.fact(start + "bind", ::bind(fd.get(), source.raw(), source.length()));
    context.fact(start + "bound getsockname", context.name_of(local_endpoint(fd.get())));
    const int connected = ::connect(fd.get(), target.raw(), target.length());
    context.fact(start + "connect", connected);
    if (connected == 0) {
        context.names_of_socket(start, fd.get());
        context.tell(fd, "echo");
    }
}

void finish(const Context& context, std::string_view prefix, const Fd& fd) {
    if (!peer_endpoint(fd.get())) {
        return;
    }
    send_whole(fd.get(), "hello");
    ::shutdown(fd.get(), SHUT_WR);
    const Received received = receive_until_end(fd.get());
    context.fact(std::string(prefix) + "echo", received.data + " " + received.end);
}

void call_from(const Context& context, const Endpoint& source) {
    const Fd fd = context.stream_socket();
    bind_and_call(context, "", fd, source, context.server(context.around().port));
    finish(context, "", fd);
}

std::uint16_t own_port(const Context& context, unsigned offset) {
    return static_cast<std::uint16_t>(context.around().own_ports + offset);
}

// Each family has its own ports, so that one run's TIME_WAIT does not affect the next.
unsigned family_offset(const Context& context) {
    return 10 + 10 * static_cast<unsigned>(context.family());
}

void bind_address(const Context& context) {
    call_from(context, context.own(0));
}

void bind_port(const Context& context) {
    call_from(context,
              context.in_family("0.0.0.0", "::", own_port(context, family_offset(context))));
}

void bind_both(const Context& context) {
    call_from(context, context.own(own_port(context, family_offset(context) + 1)));
}

void bind_loopback(const Context& context) {
    call_from(context, context.in_family("127.0.0.1", "::1", 0));
}

void bind_unspecified(const Context& context) {
    call_from(context, context.in_family("0.0.0.0", "::", 0));
}

void bind_address_no_port(const Context& context) {
    const Fd fd = context.stream_socket();
    context.fact("IP_BIND_ADDRESS_NO_PORT",
                 set_option(fd.get(), SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1) ? "0" : "failed");
    bind_and_call(context, "", fd, context.own(0), context.server(context.around().port));
    finish(context, "", fd);
}

void two_destinations(const Context& context, const Endpoint& source) {
    const Fd first = context.stream_socket();
    const Fd second = context.stream_socket();
    bind_and_call(context, "first: ", first, source, context.server(context.around().port));
    bind_and_call(context, "second: ", second, source,
                  context.server(context.around().second_port));
    finish(context, "first: ", first);
    finish(context, "second: ", second);
}

void same_port_any(const Context& context) {
    two_destinations(
        context, context.in_family("0.0.0.0", "::", own_port(context, family_offset(context) + 2)));
}

void same_port_address(const Context& context) {
    two_destinations(context, context.own(own_port(context, family_offset(context) + 3)));
}

void same_port_same_destination(const Context& context) {
    const Endpoint source = context.own(own_port(context, family_offset(context) + 4));
    const Endpoint target = context.server(context.around().port);
    const Fd first = context.stream_socket();
    const Fd second = context.stream_socket();
    bind_and_call(context, "first: ", first, source, target);
    bind_and_call(context, "second: ", second, source, target);
    finish(context, "first: ", first);
}

}  // namespace

std::vector<Case> bind_cases() {
    return {{"bind-address", bind_address},
            {"bind-port", bind_port},
            {"bind-both", bind_both},
            {"bind-loopback", bind_loopback},
            {"bind-unspecified", bind_unspecified},
            {"bind-address-no-port", bind_address_no_port},
            {"same-port-two-destinations-any", same_port_any},
            {"same-port-two-destinations-address", same_port_address},
            {"same-port-same-destination", same_port_same_destination}};
}

}  // namespace fsm::test
