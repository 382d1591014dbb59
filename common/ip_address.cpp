#include "common/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace fsm {

namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;
constexpr unsigned kAddressBits = 128;

bool host_bits_are_zero(const IpAddress::Bytes& bytes, unsigned prefix) {
    for (unsigned bit = prefix; bit < kAddressBits; ++bit) {
        if ((bytes[bit / 8] & (0x80U >> (bit % 8))) != 0) {
            return false;
        }
    }
    return true;
}

}  // namespace

IpAddress IpAddress::from_v4(std::uint32_t network_order) {
    Bytes bytes{};
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin());
    std::memcpy(bytes.data() + kMappedPrefix.size(), &network_order, sizeof(network_order));
    return IpAddress(bytes);
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
    const std::string copy(text);
    in_addr v4{};
    if (inet_pton(AF_INET, copy.c_str(), &v4) == 1) {
        return from_v4(v4.s_addr);
    }
    Bytes bytes{};
    if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) {
        return IpAddress(bytes);
    }
    return Error("\"" + copy + "\" is not an IPv4 or IPv6 address", EINVAL);
}

bool IpAddress::is_v4() const {
    return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin());
}

bool IpAddress::is_loopback() const {
    if (is_v4()) {
        return bytes_[12] == 127;
    }
    return std::all_of(bytes_.begin(), bytes_.end() - 1, [](auto b) { return b == 0; }) &&
           bytes_[15] == 1;
}

bool IpAddress::is_link_local() const {
    if (is_v4()) {
        return bytes_[12] == 169 && bytes_[13] == 254;
    }
    return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool IpAddress::is_unspecified() const {
    const auto zero = [](auto b) { return b == 0; };
    if (is_v4()) {
        return std::all_of(bytes_.begin() + kMappedPrefix.size(), bytes_.end(), zero);
    }
    return std::all_of(bytes_.begin(), bytes_.end(), zero);
}

std::uint32_t IpAddress::v4_network_order() const {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes_.data() + kMappedPrefix.size(), sizeof(value));
    return value;
}

std::string IpAddress::to_string() const {
    char text[INET6_ADDRSTRLEN] = {};
    if (is_v4()) {
        inet_ntop(AF_INET, bytes_.data() + kMappedPrefix.size(), text, sizeof(text));
    } else {
        inet_ntop(AF_INET6, bytes_.data(), text, sizeof(text));
    }
    return text;
}

bool Cidr::is_v4() const {
    return address_.is_v4() && prefix_ >= kMappedBits;
}

Cidr Cidr::all_v4() {
    return Cidr(IpAddress::from_v4(0), kMappedBits);
}

Cidr Cidr::all_v6() {
    return Cidr(IpAddress(), 0);
}

Result<Cidr> Cidr::parse(std::string_view text) {
    const auto slash = text.find('/');
    FSM_ASSIGN(const IpAddress address, IpAddress::parse(text.substr(0, slash)));
    if (slash == std::string_view::npos) {
        return host(address);
    }
    const std::string_view digits = text.substr(slash + 1);
    const unsigned offset = address.is_v4() ? kMappedBits : 0;
    const unsigned limit = kAddressBits - offset;
    unsigned length = 0;
    const auto [end, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (digits.empty() || failure != std::errc() || end != digits.data() + digits.size() ||
        length > limit) {
        return Error("\"" + std::string(text) +
                         "\": the prefix length must be a number from 0 to " +
                         std::to_string(limit),
                     EINVAL);
    }
    const unsigned prefix = offset + length;
    if (!host_bits_are_zero(address.bytes(), prefix)) {
        return Error("\"" + std::string(text) + "\" has bits set behind its prefix of " +
                         std::to_string(length) + " bits",
                     EINVAL);
    }
    return Cidr(address, prefix);
}

bool Cidr::contains(const IpAddress& address) const {
    const unsigned whole = prefix_ / 8;
    const unsigned rest = prefix_ % 8;
    const auto& wanted = address_.bytes();
    const auto& bytes = address.bytes();
    if (is_v4() != address.is_v4() ||
        !std::equal(wanted.begin(), wanted.begin() + whole, bytes.begin())) {
        return false;
    }
    return rest == 0 || (wanted[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

std::string Cidr::to_string() const {
    const unsigned offset = address_.is_v4() ? kMappedBits : 0;
    return address_.to_string() + "/" + std::to_string(prefix_ - offset);
}

}  // namespace fsm
