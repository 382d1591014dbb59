// IP addresses and prefixes as values. Bytes are in network order; IPv4 is stored as a v4-mapped
// IPv6 address (::ffff:a.b.c.d), the form in which the data path's maps hold both families.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace fsm {

class IpAddress {
  public:
    using Bytes = std::array<std::uint8_t, 16>;

    IpAddress() = default;  // ::
    explicit IpAddress(const Bytes& bytes) : bytes_(bytes) {}
    static IpAddress from_v4(std::uint32_t network_order);

    // "10.1.2.3", "fd00::1", "::ffff:10.1.2.3" (which is an IPv4 address here).
    static Result<IpAddress> parse(std::string_view text);

    bool is_v4() const;
    bool is_loopback() const;                // 127.0.0.0/8 or ::1
    bool is_link_local() const;              // 169.254.0.0/16 or fe80::/10
    bool is_unspecified() const;             // 0.0.0.0 or ::
    std::uint32_t v4_network_order() const;  // requires is_v4()
    const Bytes& bytes() const { return bytes_; }
    std::string to_string() const;

    auto operator<=>(const IpAddress&) const = default;

  private:
    Bytes bytes_{};
};

class Cidr {
  public:
    // "10.0.0.0/8", "fd00::/8", or a bare address (/32 or /128). Host bits must be zero:
    // "10.1.2.3/8" is refused, because its intended meaning is unclear.
    static Result<Cidr> parse(std::string_view text);
    static Cidr host(const IpAddress& address) { return Cidr(address, 128); }
    static Cidr all_v4();
    static Cidr all_v6();

    const IpAddress& address() const { return address_; }
    // False for an IPv6 range, even if it contains the v4-mapped addresses.
    bool is_v4() const;
    // The prefix length in the v4-mapped form: 104 for 10.0.0.0/8.
    unsigned mapped_prefix_length() const { return prefix_; }
    bool contains(const IpAddress& address) const;
    std::string to_string() const;

    auto operator<=>(const Cidr&) const = default;

  private:
    Cidr(const IpAddress& address, unsigned prefix) : address_(address), prefix_(prefix) {}

    IpAddress address_;
    unsigned prefix_ = 0;
};

}  // namespace fsm
