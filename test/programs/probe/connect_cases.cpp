// Results of connect(): to closed ports, to forbidden destinations, and on a connected socket.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "probe/cases.h"

namespace fsm::test {

namespace {

constexpr int kConnectPatienceMs = 4000;

// connect() with a time limit. "0", the error's name, or "no answer".
std::string connect_bounded(const Fd& fd, const Endpoint& target) {
    const int flags = fcntl(fd.get(), F_GETFL);
    fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
    std::string result = outcome(::connect(fd.get(), target.raw(), target.length()));
    if (result == "EINPROGRESS") {
        pollfd waiting{fd.get(), POLLOUT, 0};
        if (poll(&waiting, 1, kConnectPatienceMs) != 1) {
            result = "no answer";
        } else {
            const auto error = get_option(fd.get(), SOL_SOCKET, SO_ERROR);
            result = !error || *error == 0 ? "0" : errno_name(*error);
        }
    }
    fcntl(fd.get(), F_SETFL, flags);
    return result;
}

// Behind a sidecar a failure appears only after the connect, and may overtake its result: both
// orders are one observation.
void connect_and_read(const Context& context, std::string_view name, const Endpoint& target) {
    const Fd fd = context.stream_socket();
    std::string result = connect_bounded(fd, target);
    if (result == "0") {
        result = "connected, then " + receive_until_end(fd.get()).end;
    } else if (result == "ECONNRESET") {
        result = "connected, then ECONNRESET";
    }
    context.fact("connect to " + std::string(name), result);
}

void closed_port(const Context& context) {
    connect_and_read(context, "a closed port", context.server(context.around().closed_port));
}

void no_such_host(const Context& context) {
    connect_and_read(context, "no such host", context.missing(context.around().port));
}

void sidecar_port(const Context& context) {
    connect_and_read(context, "the server's outbound port",
                     context.server(context.around().sidecar_outbound_port));
}

void special_addresses(const Context& context) {
    const std::uint16_t port = context.around().closed_port;
    connect_and_read(context, "the unspecified address", context.in_family("0.0.0.0", "::", port));
    connect_and_read(context, "multicast", context.in_family("224.0.0.1", "ff02::1", port));
    connect_and_read(context, "loopback", context.in_family("127.0.0.1", "::1", port));
    connect_and_read(context, "the own pod", context.own(port));
    connect_and_read(context, "port 0", context.server(0));
    if (context.family() != Family::v6) {
        connect_and_read(context, "127.0.0.5", context.in_family("127.0.0.5", "", port));
        connect_and_read(context, "255.255.255.255",
                         context.in_family("255.255.255.255", "", port));
    }
}

void subnet_broadcast(const Context& context) {
    connect_and_read(
        context, "the network's broadcast address",
        context.in_family(context.around().broadcast.address(), "", context.around().port));
}

void own_pod(const Context& context) {
    const std::uint16_t port = context.around().own_ports;
    const Endpoint any = context.in_family("0.0.0.0", "::", port);
    const Fd listener = context.stream_socket();
    context.need_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    context.fact("bind", ::bind(listener.get(), any.raw(), any.length()));
    context.fact("listen", ::listen(listener.get(), 8));
    const std::pair<std::string_view, Endpoint> targets[] = {
        {"the own address", context.own(port)},
        {"loopback", context.in_family("127.0.0.1", "::1", port)},
        {"the unspecified address", any},
    };
    for (const auto& [name, target] : targets) {
        const Fd fd = context.stream_socket();
        context.fact("connect to " + std::string(name), connect_bounded(fd, target));
        context.names_of_socket("client: ", fd.get());
        if (!readable_within(listener.get(), 1000)) {
            context.fact("accept", "nothing came");
            continue;
        }
        sockaddr_storage from{};
        socklen_t length = sizeof(from);
        const Fd accepted(
            ::accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_CLOEXEC));
        context.fact("accept", context.name_of(Endpoint(from, length)));
        context.names_of_socket("accepted: ", accepted.get());
    }
}

void non_blocking(const Context& context) {
    auto fd = tcp_socket(context.domain(), Blocking::no);
    if (!fd) {
        context.fact("socket", errno_name(fd.error().errno_value()));
        return;
    }
    const Endpoint target = context.server(context.around().port);
    context.fact("connect", ::connect(fd->get(), target.raw(), target.length()));
    pollfd waiting{fd->get(), POLLOUT, 0};
    context.fact("poll", poll(&waiting, 1, kConnectPatienceMs));
    context.fact("writable", (waiting.revents & POLLOUT) != 0 ? "yes" : "no");
    const auto error = get_option(fd->get(), SOL_SOCKET, SO_ERROR);
    context.fact("SO_ERROR", error ? std::to_string(*error) : "?");
    context.names_of_socket("", fd->get());
    context.fact("connect again", ::connect(fd->get(), target.raw(), target.length()));
    context.fact("and again", ::connect(fd->get(), target.raw(), target.length()));
    context.names_of_socket("after it: ", fd->get());
    context.tell(*fd, "echo");
    fcntl(fd->get(), F_SETFL, fcntl(fd->get(), F_GETFL) & ~O_NONBLOCK);
    send_whole(fd->get(), "hello");
    ::shutdown(fd->get(), SHUT_WR);
    context.fact("echo", receive_until_end(fd->get()).data);
}

void connect_while_connected(const Context& context) {
    const Fd fd = context.dial("echo");
    const Endpoint other = context.server(context.around().second_port);
    context.fact("connect elsewhere", ::connect(fd.get(), other.raw(), other.length()));
    const Endpoint loopback = context.in_family("127.0.0.1", "::1", context.around().closed_port);
    context.fact("connect to loopback", ::connect(fd.get(), loopback.raw(), loopback.length()));
    context.names_of_socket("", fd.get());
    ::shutdown(fd.get(), SHUT_WR);
    receive_until_end(fd.get());
}

// Undoes a connection after all four processes have finished their observations: otherwise its
// reset would overtake their queries.
long dissolve(const Context& context, const Fd& fd) {
    send_whole(fd.get(), "x");
    char byte = 0;
    context.fact("answer before", ::recv(fd.get(), &byte, 1, 0));
    sockaddr nowhere{};
    nowhere.sa_family = AF_UNSPEC;
    return ::connect(fd.get(), &nowhere, sizeof(nowhere));
}

void reconnect_after_failure(const Context& context) {
    const Fd fd = context.stream_socket();
    const Endpoint closed = context.own(context.around().closed_port);
    context.fact("connect to a closed port of the own pod",
                 ::connect(fd.get(), closed.raw(), closed.length()));
    const Endpoint target = context.server(context.around().port);
    context.fact("connect to the server", ::connect(fd.get(), target.raw(), target.length()));
    context.names_of_socket("", fd.get());
    context.tell(fd, "echo");
    send_whole(fd.get(), "hello");
    ::shutdown(fd.get(), SHUT_WR);
    context.fact("echo", receive_until_end(fd.get()).data);
}

void dissolve_and_reconnect(const Context& context) {
    const Fd fd = context.dial("echo");
    context.names_of_socket("first: ", fd.get());
    context.fact("connect to AF_UNSPEC", dissolve(context, fd));
    context.names_of_socket("dissolved: ", fd.get());
    const Endpoint second = context.server(context.around().second_port);
    context.fact("connect again", ::connect(fd.get(), second.raw(), second.length()));
    context.names_of_socket("second: ", fd.get());
    context.tell(fd, "echo");
    send_whole(fd.get(), "hello");
    ::shutdown(fd.get(), SHUT_WR);
    context.fact("echo", receive_until_end(fd.get()).data);
}

void dissolve_and_call_loopback(const Context& context) {
    const Fd listener = context.stream_socket();
    const Endpoint loopback = context.in_family("127.0.0.1", "::1", context.around().own_ports);
    context.need_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    context.fact("bind", ::bind(listener.get(), loopback.raw(), loopback.length()));
    context.fact("listen", ::listen(listener.get(), 8));
    const Fd fd = context.dial("echo");
    context.fact("connect to AF_UNSPEC", dissolve(context, fd));
    context.fact("connect to loopback", ::connect(fd.get(), loopback.raw(), loopback.length()));
    context.names_of_socket("", fd.get());
}

}  // namespace

std::vector<Case> connect_cases() {
    return {{"connect-closed-port", closed_port},
            {"connect-no-such-host", no_such_host},
            {"connect-sidecar-port", sidecar_port},
            {"connect-special-addresses", special_addresses},
            {"connect-subnet-broadcast", subnet_broadcast, {Family::v4, Family::mapped}},
            {"connect-own-pod", own_pod},
            {"connect-non-blocking", non_blocking},
            {"connect-while-connected", connect_while_connected},
            {"reconnect-after-failure", reconnect_after_failure},
            {"unspec-and-reconnect", dissolve_and_reconnect},
            {"unspec-and-loopback", dissolve_and_call_loopback}};
}

}  // namespace fsm::test
