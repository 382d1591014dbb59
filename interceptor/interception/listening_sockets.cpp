#include "interceptor/interception/listening_sockets.h"

#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <string_view>

#include "interceptor/interception/sock_diag.h"

namespace fsm {
namespace {

const rtattr* find_attribute(const rtattr* attribute, int length, unsigned short type) {
    for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
        if ((attribute->rta_type & NLA_TYPE_MASK) == type) {
            return attribute;
        }
    }
    return nullptr;
}

const rtattr* attribute_of(const nlmsghdr& header, const inet_diag_msg& message,
                           unsigned short type) {
    return find_attribute(reinterpret_cast<const rtattr*>(&message + 1),
                          static_cast<int>(header.nlmsg_len - NLMSG_LENGTH(sizeof(message))), type);
}

bool is_ipv6_only(const nlmsghdr& header, const inet_diag_msg& message) {
    const rtattr* attribute = attribute_of(header, message, INET_DIAG_SKV6ONLY);
    return attribute != nullptr && *static_cast<const std::uint8_t*>(RTA_DATA(attribute)) != 0;
}

// An MPTCP listener is a TCP socket with an upper-layer protocol of that name (Linux 5.7).
bool is_mptcp(const nlmsghdr& header, const inet_diag_msg& message) {
    const rtattr* info = attribute_of(header, message, INET_DIAG_ULP_INFO);
    if (info == nullptr) {
        return false;
    }
    const rtattr* name = find_attribute(static_cast<const rtattr*>(RTA_DATA(info)),
                                        static_cast<int>(RTA_PAYLOAD(info)), INET_ULP_INFO_NAME);
    return name != nullptr &&
           std::string_view(static_cast<const char*>(RTA_DATA(name)), RTA_PAYLOAD(name))
               .starts_with("mptcp");
}

ListeningSocket to_socket(const nlmsghdr& header) {
    const auto& message = *static_cast<const inet_diag_msg*>(NLMSG_DATA(&header));
    ListeningSocket socket;
    socket.address = local_address(message);
    socket.port = ntohs(message.id.idiag_sport);
    socket.family = message.idiag_family;
    socket.ipv6_only = message.idiag_family == AF_INET6 && is_ipv6_only(header, message);
    socket.mptcp = is_mptcp(header, message);
    socket.inode = message.idiag_inode;
    socket.cookie = std::uint64_t{message.id.idiag_cookie[1]} << 32U | message.id.idiag_cookie[0];
    return socket;
}

}  // namespace

bool serves_v4(const ListeningSocket& socket) {
    if (socket.family == AF_INET || socket.address.is_v4()) {
        return true;
    }
    return !socket.ipv6_only && socket.address.is_unspecified();
}

bool serves_v6(const ListeningSocket& socket) {
    return socket.family == AF_INET6 && !socket.address.is_v4();
}

// A pod that is being created has no sockets; skip the walk over all listeners of the machine,
// which took most of the time of an ADD.
Result<std::vector<ListeningSocket>> listening_sockets() {
    std::vector<ListeningSocket> sockets;
    if (may_have_tcp_sockets()) {
        FSM_TRY(for_each_tcp_socket(1U << TCP_LISTEN, [&](const nlmsghdr& header) {
            sockets.push_back(to_socket(header));
        }));
    }
    return sockets;
}

Result<std::vector<ListeningSocket>> listening_sockets_in(const Netns& netns) {
    Result<std::vector<ListeningSocket>> sockets = std::vector<ListeningSocket>();
    FSM_TRY(netns.run([&] { sockets = listening_sockets(); }));
    return sockets;
}

}  // namespace fsm
