#include "net/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <cstring>

#include "net/options.h"

namespace fsm::test {

namespace {

constexpr int kSoOriginalDst = 80;  // linux/netfilter_ipv4.h and netfilter_ipv6/ip6_tables.h

in_port_t* port_field(sockaddr_storage& storage) {
    return storage.ss_family == AF_INET6 ? &reinterpret_cast<sockaddr_in6&>(storage).sin6_port
                                         : &reinterpret_cast<sockaddr_in&>(storage).sin_port;
}

using NameCall = int (*)(int, sockaddr*, socklen_t*);

Result<Endpoint> ask_name(NameCall call, int fd, const char* what) {
    sockaddr_storage storage{};
    socklen_t length = sizeof(storage);
    if (call(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
        return Error::from_errno(what);
    }
    return Endpoint(storage, length);
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view address, std::uint16_t port) {
    const std::string text(address);
    sockaddr_storage storage{};
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
        storage.ss_family = AF_INET;
        v4.sin_port = htons(port);
        return Endpoint(storage, sizeof(v4));
    }
    if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
        storage.ss_family = AF_INET6;
        v6.sin6_port = htons(port);
        return Endpoint(storage, sizeof(v6));
    }
    return Error("\"" + text + "\" is not an IPv4 or IPv6 address", EINVAL);
}

Result<Endpoint> Endpoint::parse(std::string_view address_and_port) {
    const std::size_t colon = address_and_port.rfind(':');
    if (colon == std::string_view::npos) {
        return Error("\"" + std::string(address_and_port) + "\" has no port", EINVAL);
    }
    std::string_view address = address_and_port.substr(0, colon);
    if (address.starts_with('[') && address.ends_with(']')) {
        address = address.substr(1, address.size() - 2);
    }
    FSM_ASSIGN(const std::uint64_t port, parse_number(address_and_port.substr(colon + 1), 65535));
    return parse(address, static_cast<std::uint16_t>(port));
}

std::uint16_t Endpoint::port() const {
    sockaddr_storage copy = storage_;
    return ntohs(*port_field(copy));
}

Endpoint Endpoint::with_port(std::uint16_t port) const {
    Endpoint changed = *this;
    *port_field(changed.storage_) = htons(port);
    return changed;
}

bool Endpoint::is_v4_mapped() const {
    return family() == AF_INET6 &&
           IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr);
}

std::string Endpoint::address() const {
    char text[INET6_ADDRSTRLEN] = "?";
    if (family() == AF_INET) {
        inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(storage_).sin_addr, text,
                  sizeof(text));
    } else if (family() == AF_INET6) {
        inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr, text,
                  sizeof(text));
    }
    return text;
}

std::string Endpoint::to_string() const {
    if (family() != AF_INET6) {
        return address() + ":" + std::to_string(port());
    }
    const auto scope = reinterpret_cast<const sockaddr_in6&>(storage_).sin6_scope_id;
    const std::string zone = scope == 0 ? "" : "%" + std::to_string(scope);
    return "[" + address() + zone + "]:" + std::to_string(port());
}

bool Endpoint::operator==(const Endpoint& other) const {
    return family() == other.family() && port() == other.port() && address() == other.address();
}

Result<Endpoint> local_endpoint(int fd) {
    return ask_name(getsockname, fd, "getsockname");
}
Result<Endpoint> peer_endpoint(int fd) {
    return ask_name(getpeername, fd, "getpeername");
}

Result<Endpoint> original_destination(int fd) {
    FSM_ASSIGN(const Endpoint local, local_endpoint(fd));
    const bool as_v6 = local.family() == AF_INET6 && !local.is_v4_mapped();
    sockaddr_storage storage{};
    socklen_t length = as_v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (getsockopt(fd, as_v6 ? SOL_IPV6 : SOL_IP, kSoOriginalDst, &storage, &length) != 0) {
        return Error::from_errno("SO_ORIGINAL_DST");
    }
    return Endpoint(storage, length);
}

Result<Fd> tcp_socket(int family, Blocking blocking) {
    const int flags = SOCK_STREAM | SOCK_CLOEXEC | (blocking == Blocking::no ? SOCK_NONBLOCK : 0);
    Fd fd(::socket(family, flags, IPPROTO_TCP));
    if (!fd) {
        return Error::from_errno("socket");
    }
    return fd;
}

Result<Fd> listen_on(const Endpoint& endpoint, const ListenSettings& settings) {
    const std::string what = "listen on " + endpoint.to_string();
    FSM_ASSIGN(Fd fd, tcp_socket(endpoint.family(), settings.blocking));
    FSM_TRY(set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1));
    if (settings.reuse_port) {
        FSM_TRY(set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1));
    }
    if (endpoint.family() == AF_INET6) {
        FSM_TRY(set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, settings.v6_only ? 1 : 0));
    }
    if (::bind(fd.get(), endpoint.raw(), endpoint.length()) != 0 ||
        ::listen(fd.get(), settings.backlog) != 0) {
        return Error::from_errno(what);
    }
    return fd;
}

Result<void> set_option(int fd, int level, int name, int value) {
    if (setsockopt(fd, level, name, &value, sizeof(value)) != 0) {
        return Error::from_errno("setsockopt " + std::to_string(level) + "/" +
                                 std::to_string(name));
    }
    return {};
}

Result<int> get_option(int fd, int level, int name) {
    int value = 0;
    socklen_t length = sizeof(value);
    if (getsockopt(fd, level, name, &value, &length) != 0) {
        return Error::from_errno("getsockopt " + std::to_string(level) + "/" +
                                 std::to_string(name));
    }
    return value;
}

void reset_and_close(Fd fd) {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    // Shutting down a socket that is already gone fails here; it is only closed then.
    static_cast<void>(setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)));
    fd.reset();
}

std::string errno_name(int value) {
    const char* name = strerrorname_np(value);
    return name == nullptr ? std::to_string(value) : name;
}

void raise_file_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));  // otherwise the old limit stays
    }
}

}  // namespace fsm::test
