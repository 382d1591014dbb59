#include "interceptor/api/tcp_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "common/port.h"

namespace fsm {

namespace {

constexpr int kBacklog = 16;

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

SocketAddress socket_address_of(const ListenAddress& address) {
    SocketAddress made;
    if (address.address.is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(address.port);
        v4.sin_addr.s_addr = address.address.v4_network_order();
        std::memcpy(&made.storage, &v4, sizeof(v4));
        made.size = sizeof(v4);
    } else {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(address.port);
        std::memcpy(&v6.sin6_addr, address.address.bytes().data(), sizeof(v6.sin6_addr));
        std::memcpy(&made.storage, &v6, sizeof(v6));
        made.size = sizeof(v6);
    }
    return made;
}

Result<Fd> listen_on(const ListenAddress& address) {
    const SocketAddress to = socket_address_of(address);
    Fd fd(socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) {
        return Error::from_errno("make a socket for " + address.to_string());
    }
    // SO_REUSEADDR: connections of the previous interceptor must not block the port.
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const int off = 0;
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&to.storage), to.size) != 0 ||
        listen(fd.get(), kBacklog) != 0) {
        return Error::from_errno("listen on " + address.to_string());
    }
    return fd;
}

}  // namespace

Result<ListenAddress> ListenAddress::parse(const std::string& text) {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) {
        return Error("must be ADDRESS:PORT, it is \"" + text + "\"", EINVAL);
    }
    ListenAddress parsed;
    FSM_ASSIGN(parsed.port,
               parse_port(std::string_view(text).substr(colon + 1), "\"" + text + "\""));
    std::string address = text.substr(0, colon);
    if (address.empty()) {
        return parsed;
    }
    const bool in_brackets = address.size() > 2 && address.front() == '[' && address.back() == ']';
    if (!in_brackets && address.find(':') != std::string::npos) {
        return Error(
            "an IPv6 address stands in brackets, as in \"[fd00::1]:9091\", it is \"" + text + "\"",
            EINVAL);
    }
    if (in_brackets) {
        address = address.substr(1, address.size() - 2);
    }
    FSM_ASSIGN(parsed.address, IpAddress::parse(address));
    return parsed;
}

std::string ListenAddress::to_string() const {
    const std::string text = address.to_string();
    return (address.is_v4() ? text : "[" + text + "]") + ":" + std::to_string(port);
}

Result<TcpListener> TcpListener::open(const ListenAddress& address) {
    auto fd = listen_on(address);
    if (!fd && fd.error().errno_value() == EAFNOSUPPORT && address.address == IpAddress()) {
        fd = listen_on({IpAddress::from_v4(INADDR_ANY), address.port});  // a node without IPv6
    }
    if (!fd) {
        return std::move(fd.error());
    }
    return TcpListener(std::move(*fd));
}

}  // namespace fsm
