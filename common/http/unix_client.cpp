#include "common/http/unix_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "common/fd.h"
#include "common/version.h"

namespace fsm::http {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

Error timed_out(std::string_view step) {
    return Error::from_errno(step, ETIMEDOUT);
}

template <typename Unit>
Unit time_left(Deadline deadline) {
    const auto left = deadline - std::chrono::steady_clock::now();
    return std::max(std::chrono::ceil<Unit>(left), Unit::zero());
}

Result<void> wait_for(const Fd& socket, short events, Deadline deadline, std::string_view step) {
    while (true) {
        const auto left = time_left<milliseconds>(deadline);
        if (left == milliseconds::zero()) {
            return timed_out(step);
        }
        pollfd entry{socket.get(), events, 0};
        const int ready = poll(&entry, 1, static_cast<int>(left.count()));
        if (ready > 0) {
            return {};
        }
        if (ready < 0 && errno != EINTR) {
            return Error::from_errno(step);
        }
    }
}

// While the listener's queue is full, connect(2) on a Unix socket returns EAGAIN, and poll(2) does
// not wait for room. A blocking connect is woken by the kernel; SO_SNDTIMEO limits it.
Result<void> connect_within(const Fd& socket, const sockaddr_un& address, Deadline deadline) {
    constexpr microseconds kSecond = std::chrono::seconds(1);
    while (true) {
        const auto left = time_left<microseconds>(deadline);
        if (left == microseconds::zero()) {
            return timed_out("connect");
        }
        const timeval timeout{left / kSecond, (left % kSecond).count()};
        if (setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0) {
            return Error::from_errno("set the time limit of connect");
        }
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
            0) {
            return {};
        }
        if (errno != EAGAIN && errno != EINTR) {
            return Error::from_errno("connect");
        }
    }
}

Result<Fd> open_connection(const std::string& path, Deadline deadline) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        return Error::from_errno("connect", ENAMETOOLONG);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) {
        return Error::from_errno("make a socket");
    }
    FSM_TRY(connect_within(socket, address, deadline));
    return socket;
}

std::string format_request(const Request& request) {
    std::string text;
    text.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
    text.append("Host: localhost\r\nUser-Agent: ")
        .append(request.agent)
        .append("/")
        .append(kVersion)
        .append("\r\n");
    text.append("Accept: */*\r\nConnection: close\r\n");
    if (!request.body.empty()) {
        text.append("Content-Type: application/json\r\nContent-Length: ")
            .append(std::to_string(request.body.size()))
            .append("\r\n");
    }
    return text.append("\r\n").append(request.body);
}

// A server may refuse a request before it has read everything, and close. Its answer can still be
// read, so a broken pipe is left to the receiving side.
Result<void> send_all(const Fd& socket, std::string_view bytes, Deadline deadline) {
    while (!bytes.empty()) {
        FSM_TRY(wait_for(socket, POLLOUT, deadline, "send"));
        const ssize_t sent =
            ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return {};
        } else if (errno != EAGAIN && errno != EINTR) {
            return Error::from_errno("send");
        }
    }
    return {};
}

Result<Response> receive_response(const Fd& socket, std::size_t max_bytes, Deadline deadline) {
    ResponseParser parser(max_bytes);
    std::array<char, 16384> buffer;
    while (true) {
        FSM_TRY(wait_for(socket, POLLIN, deadline, "receive the answer"));
        const ssize_t count = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count < 0) {
            if (errno == EAGAIN || errno == EINTR) {
                continue;
            }
            return Error::from_errno("receive the answer");
        }
        if (count == 0) {
            return parser.finish();
        }
        FSM_ASSIGN(const bool complete,
                   parser.feed({buffer.data(), static_cast<std::size_t>(count)}));
        if (complete) {
            return parser.finish();
        }
    }
}

}  // namespace

Result<Response> exchange(const std::string& socket_path, const Request& request,
                          Deadline deadline) {
    FSM_ASSIGN(const Fd socket, open_connection(socket_path, deadline));
    FSM_TRY(send_all(socket, format_request(request), deadline));
    return receive_response(socket, request.max_response, deadline);
}

}  // namespace fsm::http
