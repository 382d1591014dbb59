// The ways of reading. The server of most of these sends 10 bytes, pauses, sends 10 more, pauses,
// and half-closes.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "probe/cases.h"

namespace fsm::test {

namespace {

constexpr unsigned kPartPauseMs = 500;  // as the server's script "send-in-parts" pauses
constexpr unsigned kSettleMs = 150;

std::string read_once(int fd, std::size_t length, int flags) {
    std::array<char, 256> buffer{};
    const ssize_t received = ::recv(fd, buffer.data(), std::min(length, buffer.size()), flags);
    if (received < 0) {
        return errno_name(errno);
    }
    return std::to_string(received) + " \"" +
           std::string(buffer.data(), static_cast<std::size_t>(received)) + "\"";
}

// MSG_TRUNC discards the data: only the count is meaningful.
std::string discard(int fd, std::size_t length) {
    std::array<char, 256> buffer{};
    return outcome(::recv(fd, buffer.data(), length, MSG_TRUNC));
}

std::string unread(int fd) {
    int count = 0;
    return ioctl(fd, FIONREAD, &count) != 0 ? errno_name(errno) : std::to_string(count);
}

Fd dial_and_await_first_part(const Context& context) {
    Fd fd = context.dial("send-in-parts");
    context.fact("readable", readable_within(fd.get(), 2000) ? "yes" : "no");
    pause_ms(kSettleMs);
    return fd;
}

void fionread(const Context& context) {
    const Fd fd = dial_and_await_first_part(context);
    context.fact("after the first part", unread(fd.get()));
    pause_ms(kPartPauseMs);
    context.fact("after the second part", unread(fd.get()));
    context.fact("recv", read_once(fd.get(), 5, 0));
    context.fact("after reading 5", unread(fd.get()));
    context.fact("recv", read_once(fd.get(), 100, 0));
    context.fact("after reading all", unread(fd.get()));
}

void peek(const Context& context) {
    const Fd fd = dial_and_await_first_part(context);
    context.fact("peek 4", read_once(fd.get(), 4, MSG_PEEK));
    context.fact("peek all", read_once(fd.get(), 100, MSG_PEEK));
    pause_ms(kPartPauseMs);
    context.fact("peek after the second part", read_once(fd.get(), 100, MSG_PEEK));
    context.fact("recv 15", read_once(fd.get(), 15, 0));
    context.fact("peek the rest", read_once(fd.get(), 100, MSG_PEEK));
    context.fact("recv the rest", read_once(fd.get(), 100, 0));
    context.fact("end", receive_until_end(fd.get()).end);
}

void truncate(const Context& context) {
    const Fd fd = dial_and_await_first_part(context);
    context.fact("discard 5", discard(fd.get(), 5));
    context.fact("recv", read_once(fd.get(), 100, 0));
    pause_ms(kPartPauseMs);
    context.fact("discard 100", discard(fd.get(), 100));
    context.fact("end", receive_until_end(fd.get()).end);
}

void wait_all(const Context& context) {
    const Fd fd = context.dial("send-in-parts");
    context.fact("recv 20", read_once(fd.get(), 20, MSG_WAITALL));
    context.fact("recv 20 at the end", read_once(fd.get(), 20, MSG_WAITALL));
}

void low_water_mark(const Context& context) {
    const Fd fd = context.stream_socket();
    const Endpoint target = context.server(context.around().port);
    context.fact("SO_RCVLOWAT", set_option(fd.get(), SOL_SOCKET, SO_RCVLOWAT, 20) ? "0" : "failed");
    context.fact("connect", ::connect(fd.get(), target.raw(), target.length()));
    context.tell(fd, "send-in-parts");
    context.fact("readable after the first part",
                 readable_within(fd.get(), kSettleMs) ? "yes" : "no");
    context.fact("recv", read_once(fd.get(), 100, 0));
    context.fact("end", receive_until_end(fd.get()).end);
}

void dont_wait(const Context& context) {
    const Fd fd = dial_and_await_first_part(context);
    context.fact("recv", read_once(fd.get(), 100, MSG_DONTWAIT));
    context.fact("recv with nothing there", read_once(fd.get(), 100, MSG_DONTWAIT));
    context.fact("recv, blocking", read_once(fd.get(), 100, 0));
    context.fact("end", receive_until_end(fd.get()).end);
}

void receive_timeout(const Context& context) {
    const Fd fd = dial_and_await_first_part(context);
    const timeval limit{.tv_sec = 0, .tv_usec = 100'000};
    context.fact("SO_RCVTIMEO",
                 setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
    context.fact("recv", read_once(fd.get(), 100, 0));
    context.fact("recv with nothing there", read_once(fd.get(), 100, 0));
}

void edge_triggered(const Context& context) {
    const Fd fd = context.dial("send-in-parts");
    const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | static_cast<std::uint32_t>(EPOLLET);
    context.fact("epoll_ctl", epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event));
    const auto wait = [&](std::string_view name, unsigned milliseconds) {
        epoll_event got{};
        const int count = epoll_wait(epoll.get(), &got, 1, static_cast<int>(milliseconds));
        std::string text = std::to_string(count);
        text += (got.events & EPOLLIN) != 0 ? " in" : "";
        text += (got.events & EPOLLRDHUP) != 0 ? " rdhup" : "";
        context.fact(name, text);
    };
    wait("first part", 2000);
    context.fact("recv", read_once(fd.get(), 100, MSG_DONTWAIT));
    wait("pause", kSettleMs);
    wait("second part", 2000);
    context.fact("recv", read_once(fd.get(), 100, MSG_DONTWAIT));
    wait("end", 2000);
    context.fact("recv", read_once(fd.get(), 100, MSG_DONTWAIT));
}

// Unread data raises no second edge.
void edge_triggered_rest(const Context& context) {
    const Fd fd = context.dial("send-in-parts");
    const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN | static_cast<std::uint32_t>(EPOLLET);
    epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event);
    context.fact("first part", epoll_wait(epoll.get(), &event, 1, 2000));
    context.fact("recv 4", read_once(fd.get(), 4, MSG_DONTWAIT));
    context.fact("no new data", epoll_wait(epoll.get(), &event, 1, kSettleMs));
    context.fact("second part", epoll_wait(epoll.get(), &event, 1, 2000));
    context.fact("recv", read_once(fd.get(), 100, MSG_DONTWAIT));
}

void splice_from_socket(const Context& context) {
    const Fd fd = context.dial("drain-then-send");
    ::shutdown(fd.get(), SHUT_WR);
    int ends[2];
    if (pipe(ends) != 0) {
        context.fact("pipe", -1);
        return;
    }
    const Fd from(ends[0]);
    const Fd into(ends[1]);
    std::string data;
    long result = 0;
    while ((result = splice(fd.get(), nullptr, into.get(), nullptr, 32768, 0)) > 0) {
        std::string part(static_cast<std::size_t>(result), ' ');
        if (::read(from.get(), part.data(), part.size()) != result) {
            context.fact("read the pipe", -1);
            return;
        }
        data += part;
    }
    context.fact("end", result);
    context.fact("spliced", std::to_string(data.size()));
    context.fact("in order", matches_pattern(data));
}

// A thread blocks in recv while another one writes on the same socket.
void reader_beside_writer(const Context& context) {
    const Fd fd = context.dial("read-20-then-answer");
    std::string seen;
    std::thread reader([&] { seen = read_once(fd.get(), 100, 0); });
    for (int i = 0; i < 20; ++i) {
        pause_ms(10);
        send_whole(fd.get(), "x");
    }
    reader.join();
    context.fact("the reader's recv", seen);
}

}  // namespace

std::vector<Case> read_cases() {
    return {{"fionread", fionread},
            {"peek", peek},
            {"trunc", truncate},
            {"waitall", wait_all},
            {"rcvlowat", low_water_mark},
            {"dontwait", dont_wait},
            {"receive-timeout", receive_timeout},
            {"epoll-edge-triggered", edge_triggered},
            {"epoll-edge-triggered-rest", edge_triggered_rest},
            {"splice-from-socket", splice_from_socket},
            {"reader-beside-writer", reader_beside_writer}};
}

}  // namespace fsm::test
