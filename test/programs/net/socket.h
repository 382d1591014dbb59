// Sockets and their addresses for the test programs: thin, with the kernel's own errors.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"

namespace fsm::test {

// An IPv4 or IPv6 socket address. Ports are in host order. Unlike fsm::IpAddress it keeps the
// family: ::ffff:10.1.2.3 on an AF_INET6 socket is not converted.
class Endpoint {
  public:
    Endpoint() = default;
    Endpoint(const sockaddr_storage& storage, socklen_t length)
        : storage_(storage), length_(length) {}
    static Result<Endpoint> parse(std::string_view address, std::uint16_t port);
    // "10.1.2.3:80" or "[fd00::1]:80"; to_string() also prints a scope: "[fe80::1%2]:80".
    static Result<Endpoint> parse(std::string_view address_and_port);

    int family() const { return storage_.ss_family; }
    std::uint16_t port() const;
    Endpoint with_port(std::uint16_t port) const;
    bool is_v4_mapped() const;
    std::string address() const;
    std::string to_string() const;

    const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t length() const { return length_; }

    bool operator==(const Endpoint& other) const;

  private:
    sockaddr_storage storage_{};
    socklen_t length_ = 0;
};

Result<Endpoint> local_endpoint(int fd);
Result<Endpoint> peer_endpoint(int fd);
// SO_ORIGINAL_DST: level SOL_IP for IPv4, v4-mapped included, and SOL_IPV6 for IPv6.
Result<Endpoint> original_destination(int fd);

enum class Blocking : std::uint8_t { yes, no };
Result<Fd> tcp_socket(int family, Blocking blocking);

struct ListenSettings {
    bool reuse_port = false;
    bool v6_only = true;
    int backlog = 4096;
    Blocking blocking = Blocking::no;
};
Result<Fd> listen_on(const Endpoint& endpoint, const ListenSettings& settings);

Result<void> set_option(int fd, int level, int name, int value);
Result<int> get_option(int fd, int level, int name);

// Closes with a reset instead of a FIN.
void reset_and_close(Fd fd);

// "ECONNREFUSED".
std::string errno_name(int value);

// Raises the limit of open files to the maximum for this process.
void raise_file_limit();

}  // namespace fsm::test
