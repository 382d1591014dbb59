// Packet: one Ethernet frame of IPv4 or IPv6, in any shape, built header by header.
//
//     Packet(v6).extension(IPPROTO_DSTOPTS, 8).tcp({.flags = kSyn}).frame()
//
// Addresses and ports are kClient's and kServer's, until they are swapped with reply(). Checksums
// are right, and has_right_checksum() tells whether they are after a rewrite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "bpf/abi.h"

namespace fsm::test {

using Frame = std::vector<std::uint8_t>;
// Of tables in the tests.
using Numbers = std::initializer_list<std::uint16_t>;
using Bytes = std::initializer_list<std::uint8_t>;

enum class Family : std::uint8_t { v4, v6 };

inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kRst = 0x04;
inline constexpr std::uint8_t kAck = 0x10;

struct Segment {
    std::uint16_t source = 40000;
    std::uint16_t destination = 8080;
    std::uint8_t flags = kSyn;
    std::size_t payload = 0;
};

class Packet {
  public:
    explicit Packet(Family family) : family_(family) {}

    // IPv4: bytes of options, a multiple of four, up to 40.
    Packet& options(std::size_t bytes);
    // IPv4: the field with flags and offset, in host order.
    Packet& fragment(std::uint16_t field);
    // IPv6: a header of `bytes`, a multiple of eight (of four for AH).
    Packet& extension(std::uint8_t type, std::size_t bytes = 8);
    // IPv6: a fragment header with the field of offset and flag, in host order.
    Packet& fragment_header(std::uint16_t field);
    // A VLAN tag within the frame.
    Packet& tag(std::uint16_t vlan, std::uint16_t ethertype = 0x8100);
    // From the server to the client.
    Packet& reply();
    Packet& tcp(const Segment& segment);
    // Instead of TCP.
    Packet& other(std::uint8_t protocol);

    const Frame& frame() const { return frame_; }
    // The first bytes alone.
    Frame cut_to(std::size_t bytes) const;
    std::size_t tcp_offset() const { return tcp_offset_; }
    std::size_t ip_offset() const;

  private:
    struct Extension {
        std::uint8_t type;
        Frame bytes;
    };

    void build(std::uint8_t protocol, const Frame& payload);
    Frame ip_v4(std::uint8_t protocol, std::size_t payload) const;
    Frame ip_v6(std::uint8_t protocol, std::size_t payload) const;

    Family family_;
    bool is_reply_ = false;
    std::size_t option_bytes_ = 0;
    std::uint16_t fragment_ = 0;
    std::vector<Extension> extensions_;
    Frame tags_;
    std::uint16_t outer_type_ = 0;
    Frame frame_;
    std::size_t tcp_offset_ = 0;
};

fsm_address client_address(Family family);
fsm_address server_address(Family family);

// `frame` with another 16-bit number, in network order, at `offset`.
Frame with_number(Frame frame, std::size_t offset, std::uint16_t number);
std::uint16_t number_at(const Frame& frame, std::size_t offset);
// Of the TCP header at `tcp_offset`, with the addresses that client and server have.
bool has_right_checksum(const Frame& frame, std::size_t tcp_offset, Family family);

}  // namespace fsm::test
