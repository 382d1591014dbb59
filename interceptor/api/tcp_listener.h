// TcpListener: a listening TCP socket for data that every client on its network may read.
#pragma once

#include <cstdint>
#include <string>

#include "common/fd.h"
#include "common/ip_address.h"
#include "common/result.h"
#include "interceptor/api/listener.h"

namespace fsm {

struct ListenAddress {
    IpAddress address;  // ::, unspecified: every address of both families
    std::uint16_t port = 0;

    // "10.1.2.3:9091", "[fd00::1]:9091", or ":9091" for every address.
    static Result<ListenAddress> parse(const std::string& text);
    std::string to_string() const;
    bool operator==(const ListenAddress&) const = default;
};

class TcpListener final : public Listener {
  public:
    static Result<TcpListener> open(const ListenAddress& address);

    const Fd& fd() const override { return fd_; }
    Result<void> admit(const Fd&) const override { return {}; }

  private:
    explicit TcpListener(Fd fd) : fd_(std::move(fd)) {}

    Fd fd_;
};

}  // namespace fsm
