#include "test/bpf/packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

namespace fsm::test {
namespace {

constexpr std::size_t kMacAddresses = 12;
constexpr std::size_t kEthernet = 14;
constexpr std::size_t kTcp = 20;
constexpr std::size_t kChecksumOfTcp = 16;
constexpr std::uint16_t kTypeV4 = 0x0800;
constexpr std::uint16_t kTypeV6 = 0x86dd;

void append_number(Frame& frame, std::uint16_t number) {
    frame.push_back(static_cast<std::uint8_t>(number >> 8));
    frame.push_back(static_cast<std::uint8_t>(number));
}

void append(Frame& frame, const Frame& more) {
    frame.insert(frame.end(), more.begin(), more.end());
}

Frame bytes_of(const fsm_address& address, Family family) {
    const auto* first = address.bytes + (family == Family::v4 ? 12 : 0);
    return {first, address.bytes + sizeof(address.bytes)};
}

fsm_address parse(Family family, const char* v4, const char* v6) {
    fsm_address address{};
    if (family == Family::v6) {
        inet_pton(AF_INET6, v6, address.bytes);
    } else {
        address.bytes[10] = address.bytes[11] = 0xff;
        inet_pton(AF_INET, v4, address.bytes + 12);
    }
    return address;
}

std::uint16_t checksum_of(const Frame& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        sum += at % 2 == 0 ? std::uint32_t{bytes[at]} << 8 : bytes[at];
    }
    while ((sum >> 16) != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<std::uint16_t>(~sum);
}

// Of a segment with its pseudo header; whichever of the two has sent it.
std::uint16_t tcp_checksum(const Frame& segment, Family family) {
    Frame summed = bytes_of(client_address(family), family);
    append(summed, bytes_of(server_address(family), family));
    append_number(summed, IPPROTO_TCP);
    append_number(summed, static_cast<std::uint16_t>(segment.size()));
    append(summed, segment);
    return checksum_of(summed);
}

}  // namespace

fsm_address client_address(Family family) {
    return parse(family, "10.1.0.11", "fd00:1::b");
}

fsm_address server_address(Family family) {
    return parse(family, "10.1.0.12", "fd00:1::c");
}

Packet& Packet::options(std::size_t bytes) {
    option_bytes_ = bytes;
    return *this;
}

Packet& Packet::fragment(std::uint16_t field) {
    fragment_ = field;
    return *this;
}

Packet& Packet::extension(std::uint8_t type, std::size_t bytes) {
    Frame header(bytes, 0);
    header[1] = static_cast<std::uint8_t>(type == IPPROTO_AH ? bytes / 4 - 2 : bytes / 8 - 1);
    extensions_.push_back({type, std::move(header)});
    return *this;
}

Packet& Packet::fragment_header(std::uint16_t field) {
    extensions_.push_back({IPPROTO_FRAGMENT, with_number(Frame{0, 0, 0, 0, 0, 0, 0, 1}, 2, field)});
    return *this;
}

Packet& Packet::tag(std::uint16_t vlan, std::uint16_t ethertype) {
    // The type of each tag stands before it; that of the packet behind the last one.
    if (tags_.empty()) {
        outer_type_ = ethertype;
    } else {
        append_number(tags_, ethertype);
    }
    append_number(tags_, vlan);
    return *this;
}

Packet& Packet::reply() {
    is_reply_ = true;
    return *this;
}

Packet& Packet::tcp(const Segment& segment) {
    Frame bytes;
    append_number(bytes, segment.source);
    append_number(bytes, segment.destination);
    append(bytes, {0, 0, 0, 1, 0, 0, 0, 0, 0x50, segment.flags, 0xff, 0xff, 0, 0, 0, 0});
    bytes.resize(kTcp + segment.payload, 'x');
    bytes = with_number(bytes, kChecksumOfTcp, tcp_checksum(bytes, family_));
    build(IPPROTO_TCP, bytes);
    return *this;
}

Packet& Packet::other(std::uint8_t protocol) {
    build(protocol, Frame(kTcp, 0x1f));
    return *this;
}

void Packet::build(std::uint8_t protocol, const Frame& payload) {
    frame_.assign(kMacAddresses, 2);
    if (!tags_.empty()) {
        append_number(frame_, outer_type_);
        append(frame_, tags_);
    }
    append_number(frame_, family_ == Family::v4 ? kTypeV4 : kTypeV6);
    append(frame_, family_ == Family::v4 ? ip_v4(protocol, payload.size())
                                         : ip_v6(protocol, payload.size()));
    tcp_offset_ = frame_.size();
    append(frame_, payload);
}

Frame Packet::ip_v4(std::uint8_t protocol, std::size_t payload) const {
    const std::size_t length = 20 + option_bytes_;
    Frame header{static_cast<std::uint8_t>(0x40 | length / 4), 0};
    append_number(header, static_cast<std::uint16_t>(length + payload));
    append_number(header, 1);
    append_number(header, fragment_);
    append(header, {64, protocol, 0, 0});
    const fsm_address client = client_address(family_);
    const fsm_address server = server_address(family_);
    append(header, bytes_of(is_reply_ ? server : client, family_));
    append(header, bytes_of(is_reply_ ? client : server, family_));
    header.resize(length, 1);  // the option that does nothing
    return with_number(header, 10, checksum_of(header));
}

Frame Packet::ip_v6(std::uint8_t protocol, std::size_t payload) const {
    Frame more;
    for (std::size_t at = 0; at < extensions_.size(); ++at) {
        Frame bytes = extensions_[at].bytes;
        bytes[0] = at + 1 < extensions_.size() ? extensions_[at + 1].type : protocol;
        append(more, bytes);
    }
    Frame header{0x60, 0, 0, 0};
    append_number(header, static_cast<std::uint16_t>(more.size() + payload));
    header.push_back(extensions_.empty() ? protocol : extensions_.front().type);
    header.push_back(64);
    const fsm_address client = client_address(family_);
    const fsm_address server = server_address(family_);
    append(header, bytes_of(is_reply_ ? server : client, family_));
    append(header, bytes_of(is_reply_ ? client : server, family_));
    append(header, more);
    return header;
}

Frame Packet::cut_to(std::size_t bytes) const {
    return {frame_.begin(), frame_.begin() + static_cast<std::ptrdiff_t>(bytes)};
}

std::size_t Packet::ip_offset() const {
    return kEthernet + tags_.size() + (tags_.empty() ? 0 : 2);
}

Frame with_number(Frame frame, std::size_t offset, std::uint16_t number) {
    frame.at(offset) = static_cast<std::uint8_t>(number >> 8);
    frame.at(offset + 1) = static_cast<std::uint8_t>(number);
    return frame;
}

std::uint16_t number_at(const Frame& frame, std::size_t offset) {
    return static_cast<std::uint16_t>(frame.at(offset) << 8 | frame.at(offset + 1));
}

bool has_right_checksum(const Frame& frame, std::size_t tcp_offset, Family family) {
    const Frame segment(frame.begin() + static_cast<std::ptrdiff_t>(tcp_offset), frame.end());
    return tcp_checksum(segment, family) == 0;
}

}  // namespace fsm::test
