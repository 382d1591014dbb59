// The peer's address, and the original destination.
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "probe/cases.h"

namespace fsm::test {

namespace {

constexpr int kSoOriginalDst = 80;

void addresses(const Context& context) {
    const Fd fd = context.dial("echo");
    context.names_of_socket("", fd.get());
    send_whole(fd.get(), "hello");
    ::shutdown(fd.get(), SHUT_WR);
    context.fact("echo", receive_until_end(fd.get()).data);
    context.names_of_socket("after the end: ", fd.get());
}

void ask(const Context& context, int fd, std::string_view name, int level, socklen_t length) {
    std::array<char, 256> buffer{};
    const std::string what = std::string(name) + ", buffer of " + std::to_string(length);
    if (getsockopt(fd, level, kSoOriginalDst, buffer.data(), &length) != 0) {
        context.fact(what, -1);
    } else {
        context.fact(what, "length " + std::to_string(length));
    }
}

void original_dst_buffers(const Context& context) {
    const Fd fd = context.dial("original-dst-buffers");
    for (const socklen_t length : {0U, 8U, 15U, 16U, 27U, 28U, 128U}) {
        ask(context, fd.get(), "SOL_IP", SOL_IP, length);
        ask(context, fd.get(), "SOL_IPV6", SOL_IPV6, length);
    }
    ::shutdown(fd.get(), SHUT_WR);
    receive_until_end(fd.get());
}

void original_dst_unconnected(const Context& context) {
    const Fd fresh = context.stream_socket();
    context.fact("a new socket", context.name_of(original_destination(fresh.get())));
    const Endpoint any = context.in_family("0.0.0.0", "::", context.around().own_ports);
    context.fact("bind", ::bind(fresh.get(), any.raw(), any.length()));
    context.fact("a bound socket", context.name_of(original_destination(fresh.get())));
    context.fact("listen", ::listen(fresh.get(), 1));
    context.fact("a listener", context.name_of(original_destination(fresh.get())));

    const Fd refused = context.stream_socket();
    const Endpoint closed = context.own(context.around().closed_port);
    context.fact("connect to a closed port of the own pod",
                 ::connect(refused.get(), closed.raw(), closed.length()));
    context.fact("a refused socket", context.name_of(original_destination(refused.get())));

    const Fd datagram(::socket(context.domain(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    context.fact("a datagram socket", context.name_of(original_destination(datagram.get())));
}

void server_first_addresses(const Context& context) {
    const Fd fd = context.stream_socket();
    const Endpoint target = context.server(context.around().server_first_port);
    context.fact("connect", ::connect(fd.get(), target.raw(), target.length()));
    const Received received = receive_until_end(fd.get());
    context.fact("received", received.data);
    context.fact("end", received.end);
    context.names_of_socket("", fd.get());
}

}  // namespace

std::vector<Case> address_cases() {
    return {{"addresses", addresses},
            {"original-dst-buffers", original_dst_buffers},
            {"original-dst-unconnected", original_dst_unconnected},
            {"server-first", server_first_addresses}};
}

}  // namespace fsm::test
