// listening_sockets(): asks the kernel by NETLINK_SOCK_DIAG (sock_diag(7)).
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "common/file.h"
#include "interceptor/datapath/listeners.h"

namespace fsm {
namespace {

constexpr std::size_t kReplySize = 32768;  // what the kernel fills at a time

// The older of the two requests, because it asks for both families at once: each dump walks the
// whole hash of listeners of all namespaces, thousands of buckets.
struct DumpRequest {
    nlmsghdr header;
    inet_diag_req body;
};

Result<void> request_listeners(int netlink) {
    DumpRequest request{};
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = TCPDIAG_GETSOCK;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.body.idiag_states = 1U << TCP_LISTEN;
    request.body.idiag_ext = 1U << (INET_DIAG_INFO - 1U);  // the upper-layer protocol comes with it
    if (send(netlink, &request, sizeof(request), 0) != static_cast<ssize_t>(sizeof(request))) {
        return Error::from_errno("ask the kernel for listening sockets (sock_diag)");
    }
    return {};
}

IpAddress bound_address(const inet_diag_msg& message) {
    if (message.idiag_family == AF_INET) {
        return IpAddress::from_v4(message.id.idiag_src[0]);
    }
    IpAddress::Bytes bytes{};
    std::memcpy(bytes.data(), message.id.idiag_src, bytes.size());
    return IpAddress(bytes);
}

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

// A listener by MPTCP is a TCP socket with an upper-layer protocol of that name (Linux 5.7).
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
    socket.address = bound_address(message);
    socket.port = ntohs(message.id.idiag_sport);
    socket.family = message.idiag_family;
    socket.ipv6_only = message.idiag_family == AF_INET6 && is_ipv6_only(header, message);
    socket.mptcp = is_mptcp(header, message);
    socket.inode = message.idiag_inode;
    socket.cookie = std::uint64_t{message.id.idiag_cookie[1]} << 32U | message.id.idiag_cookie[0];
    return socket;
}

enum class DumpState : std::uint8_t { more, done };

Result<DumpState> read_reply(const char* data, std::size_t size,
                             std::vector<ListeningSocket>& sockets) {
    const auto* header = reinterpret_cast<const nlmsghdr*>(data);
    auto left = static_cast<unsigned>(size);
    for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
        if (header->nlmsg_type == NLMSG_DONE) {
            return DumpState::done;
        }
        if (header->nlmsg_type == NLMSG_ERROR) {
            const auto* failure = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
            return Error::from_errno("list listening sockets (sock_diag; module tcp_diag)",
                                     -failure->error);
        }
        sockets.push_back(to_socket(*header));
    }
    return DumpState::more;
}

Result<void> dump(int netlink, std::vector<ListeningSocket>& sockets) {
    FSM_TRY(request_listeners(netlink));
    alignas(nlmsghdr) std::array<char, kReplySize> reply;
    for (;;) {
        const ssize_t size = recv(netlink, reply.data(), reply.size(), 0);
        if (size < 0) {
            if (errno == EINTR) {
                continue;
            }
            return Error::from_errno("read the list of listening sockets (sock_diag)");
        }
        FSM_ASSIGN(const DumpState state,
                   read_reply(reply.data(), static_cast<std::size_t>(size), sockets));
        if (state == DumpState::done) {
            return {};
        }
    }
}

// How many TCP sockets of one family the calling thread's network namespace has in use. A socket is
// counted before its listen(2) tells anybody (inet_hash in the kernel).
Result<unsigned> sockets_in_use(const char* file, std::string_view label) {
    constexpr std::size_t kFileLimit = 4096;
    FSM_ASSIGN(const std::string text, read_file(file, kFileLimit));
    const std::size_t at = text.find(label);
    unsigned count = 0;
    if (at == std::string::npos ||
        std::from_chars(text.data() + at + label.size(), text.data() + text.size(), count).ec !=
            std::errc()) {
        return Error(std::string(file) + " has no number after \"" + std::string(label) + "\"");
    }
    return count;
}

// A pod that is being made has no sockets, and then there is no need to walk the buckets of the
// whole machine's listeners: that walk was most of the time that ADD took.
bool surely_nobody_listens() {
    const auto v4 = sockets_in_use("/proc/thread-self/net/sockstat", "TCP: inuse ");
    const auto v6 = sockets_in_use("/proc/thread-self/net/sockstat6", "TCP6: inuse ");
    return v4 && *v4 == 0 && v6 && *v6 == 0;
}

}  // namespace

Result<std::vector<ListeningSocket>> listening_sockets() {
    if (surely_nobody_listens()) {
        return std::vector<ListeningSocket>();
    }
    const Fd netlink(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!netlink) {
        return Error::from_errno("open a sock_diag socket");
    }
    std::vector<ListeningSocket> sockets;
    FSM_TRY(dump(netlink.get(), sockets));
    return sockets;
}

}  // namespace fsm
