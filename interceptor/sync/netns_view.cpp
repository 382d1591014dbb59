#include "interceptor/sync/netns_view.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

namespace fsm {

namespace {

constexpr unsigned kMappedBits = 96;
constexpr unsigned kPointToPointPrefix = 31;  // from here on a network has no broadcast address

IpAddress address_of(const sockaddr& address) {
    if (address.sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof(v4));
        return IpAddress::from_v4(v4.sin_addr.s_addr);
    }
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof(v6));
    IpAddress::Bytes bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return IpAddress(bytes);
}

// Set bits of a netmask, counted from its front.
unsigned prefix_length_of(const sockaddr* mask, sa_family_t family) {
    const unsigned full = family == AF_INET ? 32 : 128;
    if (mask == nullptr) {
        return full;
    }
    // The family of a netmask is not always filled in.
    sockaddr_storage copy{};
    std::memcpy(&copy, mask, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    copy.ss_family = family;
    const IpAddress address = address_of(reinterpret_cast<const sockaddr&>(copy));
    unsigned bits = 0;
    const auto& bytes = address.bytes();
    for (std::size_t i = family == AF_INET ? kMappedBits / 8 : 0; i < bytes.size(); ++i) {
        bits += static_cast<unsigned>(std::popcount(bytes[i]));
    }
    return bits;
}

IpAddress with_host_bits(const IpAddress& address, unsigned prefix, std::uint8_t fill) {
    IpAddress::Bytes bytes = address.bytes();
    const unsigned fixed = prefix + (address.is_v4() ? kMappedBits : 0);
    for (unsigned bit = fixed; bit < 128; ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
        bytes[bit / 8] = static_cast<std::uint8_t>((bytes[bit / 8] & ~mask) | (fill & mask));
    }
    return IpAddress(bytes);
}

Cidr network_of(const IpAddress& address, unsigned prefix) {
    auto network =
        Cidr::parse(with_host_bits(address, prefix, 0).to_string() + "/" + std::to_string(prefix));
    return network ? *network : Cidr::host(address);
}

void note_broadcasts(const ifaddrs& entry, const IpAddress& address, unsigned prefix,
                     NetnsView& view) {
    if ((entry.ifa_flags & IFF_BROADCAST) == 0 || prefix >= kPointToPointPrefix) {
        return;
    }
    // The kernel treats the last address of the network as broadcast, whatever is configured.
    view.broadcasts.insert(with_host_bits(address, prefix, 0xff));
    if (entry.ifa_broadaddr != nullptr && entry.ifa_broadaddr->sa_family == AF_INET) {
        const IpAddress configured = address_of(*entry.ifa_broadaddr);
        if (configured != address && !configured.is_unspecified()) {
            view.broadcasts.insert(configured);
        }
    }
}

void note_address(const ifaddrs& entry, NetnsView& view) {
    const sa_family_t family = entry.ifa_addr->sa_family;
    const IpAddress address = address_of(*entry.ifa_addr);
    const unsigned prefix = prefix_length_of(entry.ifa_netmask, family);
    if (family == AF_INET) {
        note_broadcasts(entry, address, prefix, view);
    }
    if (!address.is_loopback() && !address.is_link_local()) {
        view.addresses.push_back({entry.ifa_name, address, network_of(address, prefix)});
    } else if (!address.is_v4() && address.is_link_local()) {
        view.link_locals.push_back({entry.ifa_name, address});
    }
}

void note_interface(const ifaddrs& entry, NetnsView& view) {
    const std::string name = entry.ifa_name;
    if ((entry.ifa_flags & IFF_LOOPBACK) == 0 &&
        std::find(view.interfaces.begin(), view.interfaces.end(), name) == view.interfaces.end()) {
        view.interfaces.push_back(name);
    }
}

Result<NetnsView> read_from_inside(const Netns& netns) {
    NetnsView view;
    FSM_ASSIGN(view.cookie, netns.cookie_from_inside());
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) {
        return Error::from_errno("list the network namespace's addresses");
    }
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        note_interface(*entry, view);
        if (entry->ifa_addr != nullptr &&
            (entry->ifa_addr->sa_family == AF_INET || entry->ifa_addr->sa_family == AF_INET6)) {
            note_address(*entry, view);
        }
    }
    return view;
}

}  // namespace

Result<NetnsView> inspect_netns(const Netns& netns, const std::string& first_interface) {
    Result<NetnsView> view = NetnsView();
    FSM_TRY(netns.run([&] { view = read_from_inside(netns); }));
    if (view) {
        auto& addresses = view->addresses;
        std::stable_partition(addresses.begin(), addresses.end(), [&](const auto& address) {
            return address.interface == first_interface;
        });
    }
    return view;
}

}  // namespace fsm
