#include "interceptor/interception/sock_diag.h"

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <vector>

#include "common/fd.h"
#include "common/file.h"

namespace fsm {
namespace {

constexpr std::size_t kReplySize = 32768;  // the kernel's maximum per message

// The older of the two requests, because it covers both families: each dump walks the whole
// listener hash of all namespaces, thousands of buckets.
struct DumpRequest {
    nlmsghdr header;
    inet_diag_req body;
};

Result<Fd> open_sock_diag() {
    Fd netlink(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!netlink) {
        return Error::from_errno("open a sock_diag socket");
    }
    return netlink;
}

Result<void> request_sockets(int netlink, std::uint32_t states) {
    DumpRequest request{};
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = TCPDIAG_GETSOCK;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.body.idiag_states = states;
    request.body.idiag_ext = 1U << (INET_DIAG_INFO - 1U);  // the upper-layer protocol comes with it
    if (send(netlink, &request, sizeof(request), 0) != static_cast<ssize_t>(sizeof(request))) {
        return Error::from_errno("ask the kernel for TCP sockets (sock_diag)");
    }
    return {};
}

IpAddress to_address(std::uint8_t family, const __be32* words) {
    if (family == AF_INET) {
        return IpAddress::from_v4(words[0]);
    }
    IpAddress::Bytes bytes{};
    std::memcpy(bytes.data(), words, bytes.size());
    return IpAddress(bytes);
}

enum class DumpState : std::uint8_t { more, done };

Result<DumpState> read_reply(const char* data, std::size_t size,
                             const std::function<void(const nlmsghdr&)>& each) {
    const auto* header = reinterpret_cast<const nlmsghdr*>(data);
    auto left = static_cast<unsigned>(size);
    for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
        if (header->nlmsg_type == NLMSG_DONE) {
            return DumpState::done;
        }
        if (header->nlmsg_type == NLMSG_ERROR) {
            const auto* failure = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
            return Error::from_errno("list TCP sockets (sock_diag; module tcp_diag)",
                                     -failure->error);
        }
        each(*header);
    }
    return DumpState::more;
}

// How many TCP sockets of one family the calling thread's network namespace has in use. A socket is
// counted before its listen(2) is visible (inet_hash in the kernel).
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

Result<std::vector<TcpConnection>> select_connections(
    const std::function<bool(const TcpConnection&)>& chosen) {
    constexpr std::uint32_t kOpen = ~(1U << TCP_LISTEN | 1U << TCP_TIME_WAIT | 1U << TCP_CLOSE);
    std::vector<TcpConnection> connections;
    FSM_TRY(for_each_tcp_socket(kOpen, [&](const nlmsghdr& header) {
        const auto& message = *static_cast<const inet_diag_msg*>(NLMSG_DATA(&header));
        const TcpConnection connection{message.idiag_family, message.id};
        if (chosen(connection)) {
            connections.push_back(connection);
        }
    }));
    return connections;
}

struct DestroyRequest {
    nlmsghdr header;
    inet_diag_req_v2 body;
};

// Returns the kernel's answer: 0, or an errno.
Result<int> destroy(int netlink, const TcpConnection& connection) {
    DestroyRequest request{};
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = SOCK_DESTROY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.body.sdiag_family = connection.family;
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states = ~0U;
    request.body.id = connection.id;
    struct {
        nlmsghdr header;
        nlmsgerr answer;
        DestroyRequest echo;  // of the request, behind the answer
    } reply{};
    if (send(netlink, &request, sizeof(request), 0) < 0 ||
        recv(netlink, &reply, sizeof(reply), 0) < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(int)))) {
        return Error::from_errno("end a connection from outside (sock_diag)");
    }
    return -reply.answer.error;
}

}  // namespace

IpAddress local_address(const inet_diag_msg& socket) {
    return to_address(socket.idiag_family, socket.id.idiag_src);
}

IpAddress TcpConnection::local() const {
    return to_address(family, id.idiag_src);
}

IpAddress TcpConnection::remote() const {
    return to_address(family, id.idiag_dst);
}

std::uint16_t TcpConnection::local_port() const {
    return ntohs(id.idiag_sport);
}

bool may_have_tcp_sockets() {
    const auto v4 = sockets_in_use("/proc/thread-self/net/sockstat", "TCP: inuse ");
    const auto v6 = sockets_in_use("/proc/thread-self/net/sockstat6", "TCP6: inuse ");
    return !v4 || *v4 != 0 || !v6 || *v6 != 0;
}

Result<void> for_each_tcp_socket(std::uint32_t states,
                                 const std::function<void(const nlmsghdr&)>& each) {
    FSM_ASSIGN(const Fd netlink, open_sock_diag());
    FSM_TRY(request_sockets(netlink.get(), states));
    alignas(nlmsghdr) std::array<char, kReplySize> reply;
    for (;;) {
        const ssize_t size = recv(netlink.get(), reply.data(), reply.size(), 0);
        if (size < 0) {
            if (errno == EINTR) {
                continue;
            }
            return Error::from_errno("read the list of TCP sockets (sock_diag)");
        }
        FSM_ASSIGN(const DumpState state,
                   read_reply(reply.data(), static_cast<std::size_t>(size), each));
        if (state == DumpState::done) {
            return {};
        }
    }
}

// The list first: a socket that is destroyed while the kernel walks its buckets would disturb the
// walk.
Result<std::size_t> abort_connections(const std::function<bool(const TcpConnection&)>& chosen) {
    if (!may_have_tcp_sockets()) {
        return std::size_t{0};
    }
    FSM_ASSIGN(const auto connections, select_connections(chosen));
    FSM_ASSIGN(const Fd netlink, open_sock_diag());
    std::size_t ended = 0;
    for (const TcpConnection& connection : connections) {
        FSM_ASSIGN(const int failure, destroy(netlink.get(), connection));
        if (failure == EOPNOTSUPP) {
            return std::size_t{0};
        }
        // ENOENT: it has ended already.
        if (failure != 0 && failure != ENOENT) {
            return Error::from_errno("end a connection from outside (sock_diag)", failure);
        }
        ended += failure == 0 ? 1 : 0;
    }
    return ended;
}

}  // namespace fsm
