#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <map>

#include "probe/server.h"

namespace fsm::test {

namespace {

constexpr std::size_t kMuch = 200'000;
constexpr std::size_t kPart = 10;
constexpr unsigned kPartPauseMs = 500;
constexpr unsigned kReaderSleepMs = 3500;
constexpr int kSoOriginalDst = 80;

void report(const Context& context, const Received& received) {
    context.fact("received", std::to_string(received.data.size()));
    context.fact("in order", matches_pattern(received.data));
    context.fact("end", received.end);
}

void echo(const Context& context, const Fd& fd) {
    std::array<char, 65536> buffer{};
    ssize_t length = 0;
    while ((length = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0) {
        send_whole(fd.get(), {buffer.data(), static_cast<std::size_t>(length)});
    }
    context.fact("end", length == 0 ? "EOF" : errno_name(errno));
}

void original_dst_buffers(const Context& context, const Fd& fd) {
    for (const socklen_t wanted : {8U, 16U, 28U, 128U}) {
        for (const int level : {SOL_IP, SOL_IPV6}) {
            std::array<char, 256> buffer{};
            socklen_t length = wanted;
            const int result = getsockopt(fd.get(), level, kSoOriginalDst, buffer.data(), &length);
            context.fact((level == SOL_IP ? "SOL_IP, buffer of " : "SOL_IPV6, buffer of ") +
                             std::to_string(wanted),
                         result != 0 ? outcome(result) : "length " + std::to_string(length));
        }
    }
    receive_until_end(fd.get());
}

void drain_then_send(const Context& context, const Fd& fd) {
    report(context, receive_until_end(fd.get()));
    context.fact("sent", send_whole(fd.get(), pattern_text(kMuch)));
}

void send_then_drain(const Context& context, const Fd& fd) {
    context.fact("sent", send_whole(fd.get(), pattern_text(kMuch)));
    context.fact("shutdown", ::shutdown(fd.get(), SHUT_WR));
    report(context, receive_until_end(fd.get()));
}

void say_and_close(const Context& context, const Fd& fd) {
    context.fact("sent", send_whole(fd.get(), pattern_text(kPart)));
}

void expect_end(const Context& context, const Fd& fd) {
    context.fact("end", receive_until_end(fd.get()).end);
}

void say_and_expect_end(const Context& context, const Fd& fd) {
    say_and_close(context, fd);
    expect_end(context, fd);
}

void reset(const Context& /*context*/, const Fd& fd) {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

void close_unread(const Context& context, const Fd& fd) {
    context.fact("readable", readable_within(fd.get(), 2000) ? "yes" : "no");
    pause_ms(200);
}

void send_in_parts(const Context& context, const Fd& fd) {
    const std::string text = pattern_text(2 * kPart);
    send_whole(fd.get(), text.substr(0, kPart));
    pause_ms(kPartPauseMs);
    send_whole(fd.get(), text.substr(kPart));
    pause_ms(kPartPauseMs);
    ::shutdown(fd.get(), SHUT_WR);
    receive_until_end(fd.get());
    static_cast<void>(context);
}

void read_20_then_answer(const Context& context, const Fd& fd) {
    std::array<char, 20> buffer{};
    context.fact("recv", ::recv(fd.get(), buffer.data(), buffer.size(), MSG_WAITALL));
    send_whole(fd.get(), "done");
    receive_until_end(fd.get());
}

void count(const Context& context, const Fd& fd) {
    const Received received = receive_until_end(fd.get());
    report(context, received);
    send_whole(fd.get(), std::to_string(received.data.size()));
}

void sleep_then_count(const Context& context, const Fd& fd) {
    pause_ms(kReaderSleepMs);
    std::array<char, 65536> buffer{};
    std::uint64_t total = 0;
    ssize_t length = 0;
    while ((length = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0) {
        total += static_cast<std::uint64_t>(length);
    }
    context.fact("end", length == 0 ? "EOF" : errno_name(errno));
    send_whole(fd.get(), std::to_string(total));
}

void expect_out_of_band(const Context& context, const Fd& fd) {
    pollfd waiting{fd.get(), POLLPRI, 0};
    context.fact("urgent",
                 poll(&waiting, 1, 500) == 1 && (waiting.revents & POLLPRI) != 0 ? "yes" : "no");
    const Received received = receive_until_end(fd.get());
    context.fact("received", received.data);
    context.fact("end", received.end);
}

void send_out_of_band(const Context& context, const Fd& fd) {
    context.fact("send", ::send(fd.get(), "ab", 2, 0));
    pause_ms(50);
    context.fact("send MSG_OOB", ::send(fd.get(), "c", 1, MSG_OOB));
    pause_ms(50);
    context.fact("send", ::send(fd.get(), "d", 1, 0));
}

using Script = void (*)(const Context&, const Fd&);

const std::map<std::string, Script>& scripts() {
    static const std::map<std::string, Script> all = {
        {"echo", echo},
        {"original-dst-buffers", original_dst_buffers},
        {"drain-then-send", drain_then_send},
        {"send-then-drain", send_then_drain},
        {"say-and-close", say_and_close},
        {"expect-end", expect_end},
        {"say-and-expect-end", say_and_expect_end},
        {"reset", reset},
        {"close-unread", close_unread},
        {"send-in-parts", send_in_parts},
        {"read-20-then-answer", read_20_then_answer},
        {"count", count},
        {"sleep-then-count", sleep_then_count},
        {"expect-out-of-band", expect_out_of_band},
        {"send-out-of-band", send_out_of_band},
    };
    return all;
}

}  // namespace

void run_script(const std::string& name, const Context& context, const Fd& connection) {
    const auto script = scripts().find(name);
    if (script == scripts().end()) {
        context.fact("unknown script", name);
        return;
    }
    script->second(context, connection);
}

}  // namespace fsm::test
