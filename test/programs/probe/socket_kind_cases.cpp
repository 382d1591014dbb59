// Sockets that are not plain TCP sockets.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>

#include "probe/cases.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262  // linux/in.h, 5.6
#endif

namespace fsm::test {

namespace {

constexpr int kSendTimeoutSeconds = 3;

std::string command(const Context& context, std::string_view script) {
    return std::string(script) + " " + std::string(to_string(context.family())) + " " +
           context.case_name() + "\n";
}

void echo(const Context& context, const Fd& fd) {
    context.fact("sent", send_whole(fd.get(), "hello"));
    ::shutdown(fd.get(), SHUT_WR);
    const Received received = receive_until_end(fd.get());
    context.fact("echo", received.data + " " + received.end);
}

void fast_open_send(const Context& context) {
    const Fd fd = context.stream_socket();
    const Endpoint target = context.server(context.around().port);
    const std::string line = command(context, "echo");
    context.fact("sendto MSG_FASTOPEN",
                 ::sendto(fd.get(), line.data(), line.size(), MSG_FASTOPEN, target.raw(),
                          target.length()) == static_cast<ssize_t>(line.size())
                     ? "all"
                     : outcome(-1));
    context.names_of_socket("", fd.get());
    echo(context, fd);
}

void fast_open_connect(const Context& context) {
    const Fd fd = context.stream_socket();
    const Endpoint target = context.server(context.around().port);
    context.fact("TCP_FASTOPEN_CONNECT",
                 set_option(fd.get(), IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1) ? "0" : "failed");
    context.fact("connect", ::connect(fd.get(), target.raw(), target.length()));
    context.tell(fd, "echo");
    context.names_of_socket("", fd.get());
    echo(context, fd);
}

void multipath(const Context& context) {
    const Fd fd(::socket(context.domain(), SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP));
    context.fact("socket", fd ? "0" : outcome(-1));
    if (!fd) {
        return;
    }
    const Endpoint target = context.server(context.around().port);
    context.fact("connect", ::connect(fd.get(), target.raw(), target.length()));
    context.names_of_socket("", fd.get());
    context.tell(fd, "echo");
    echo(context, fd);
}

void call_over_device(const Context& context, const std::string& device) {
    const Fd fd = context.stream_socket();
    context.fact("SO_BINDTODEVICE " + device,
                 setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device.c_str(),
                            static_cast<socklen_t>(device.size())));
    const timeval limit{kSendTimeoutSeconds, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    const Endpoint target = context.server(context.around().port);
    const int connected = ::connect(fd.get(), target.raw(), target.length());
    context.fact("connect", connected);
    if (connected != 0) {
        return;
    }
    context.names_of_socket("", fd.get());
    context.tell(fd, "echo");
    echo(context, fd);
}

void bind_to_device(const Context& context) {
    call_over_device(context, context.around().device);
}

void bind_to_loopback_device(const Context& context) {
    call_over_device(context, "lo");
}

void datagram(const Context& context) {
    const Fd fd(::socket(context.domain(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const Endpoint target = context.server(context.around().udp_port);
    context.fact("sendto", ::sendto(fd.get(), "hello", 5, 0, target.raw(), target.length()));
    if (!readable_within(fd.get(), 2000)) {
        context.fact("recvfrom", "nothing came");
        return;
    }
    std::array<char, 64> buffer{};
    sockaddr_storage from{};
    socklen_t length = sizeof(from);
    const ssize_t received = ::recvfrom(fd.get(), buffer.data(), buffer.size(), 0,
                                        reinterpret_cast<sockaddr*>(&from), &length);
    context.fact("recvfrom", received);
    context.fact("from", context.name_of(Endpoint(from, length)));
}

void connected_datagram(const Context& context) {
    const Fd fd(::socket(context.domain(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const Endpoint target = context.server(context.around().udp_port);
    context.fact("connect", ::connect(fd.get(), target.raw(), target.length()));
    context.names_of_socket("", fd.get());
    context.fact("send", ::send(fd.get(), "hello", 5, 0));
    std::array<char, 64> buffer{};
    context.fact("recv", readable_within(fd.get(), 2000)
                             ? outcome(::recv(fd.get(), buffer.data(), buffer.size(), 0))
                             : "nothing came");
    const Endpoint closed = context.server(context.around().closed_port);
    const Fd refused(::socket(context.domain(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    context.fact("connect to a closed port",
                 ::connect(refused.get(), closed.raw(), closed.length()));
    context.fact("send", ::send(refused.get(), "hello", 5, 0));
    context.fact("recv", readable_within(refused.get(), 2000)
                             ? outcome(::recv(refused.get(), buffer.data(), buffer.size(), 0))
                             : "nothing came");
}

}  // namespace

std::vector<Case> socket_kind_cases() {
    return {{"fast-open-send", fast_open_send},
            {"fast-open-connect", fast_open_connect},
            {"mptcp", multipath},
            {"bind-to-device", bind_to_device},
            {"bind-to-loopback-device", bind_to_loopback_device},
            {"udp", datagram},
            {"udp-connected", connected_datagram}};
}

}  // namespace fsm::test
