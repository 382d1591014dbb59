// Ends of a connection: half-closes, resets, unread data.
#include <sys/socket.h>

#include "probe/cases.h"

namespace fsm::test {

namespace {

constexpr std::size_t kMuch = 200'000;

void report(const Context& context, const Received& received) {
    context.fact("received", std::to_string(received.data.size()));
    context.fact("in order", matches_pattern(received.data));
    context.fact("end", received.end);
}

void half_close_client(const Context& context) {
    const Fd fd = context.dial("drain-then-send");
    context.fact("sent", send_whole(fd.get(), pattern_text(kMuch)));
    context.fact("shutdown", ::shutdown(fd.get(), SHUT_WR));
    report(context, receive_until_end(fd.get()));
}

void half_close_server(const Context& context) {
    const Fd fd = context.dial("send-then-drain");
    report(context, receive_until_end(fd.get()));
    // The other half is still open: the server counts what arrives now.
    context.fact("sent", send_whole(fd.get(), pattern_text(kMuch)));
    context.fact("shutdown", ::shutdown(fd.get(), SHUT_WR));
}

void close_at_once(const Context& context) {
    const Fd fd = context.dial("say-and-close");
    report(context, receive_until_end(fd.get()));
    context.fact("recv after the end", receive_until_end(fd.get()).end);
}

void shutdown_read(const Context& context) {
    const Fd fd = context.dial("echo");
    context.fact("shutdown for reading", ::shutdown(fd.get(), SHUT_RD));
    context.fact("recv", receive_until_end(fd.get()).end);
    context.fact("send", send_whole(fd.get(), "hello"));
    ::shutdown(fd.get(), SHUT_WR);
    // The server must see the end of the stream before the unread echo resets it.
    pause_ms(200);
}

void reset_by_client(const Context& context) {
    Fd fd = context.dial("expect-end");
    send_whole(fd.get(), "hello");
    pause_ms(200);  // the server has read it
    reset_and_close(std::move(fd));
    pause_ms(200);  // it prints its observations
}

void reset_by_server(const Context& context) {
    const Fd fd = context.dial("reset");
    report(context, receive_until_end(fd.get()));
    context.fact("send after it", send_whole(fd.get(), "hello"));
}

void unread_at_client(const Context& context) {
    Fd fd = context.dial("say-and-expect-end");
    readable_within(fd.get(), 2000);
    pause_ms(100);
    fd.reset();
    pause_ms(200);
}

void unread_at_server(const Context& context) {
    const Fd fd = context.dial("close-unread");
    context.fact("sent", send_whole(fd.get(), pattern_text(1000)));
    report(context, receive_until_end(fd.get()));
}

}  // namespace

std::vector<Case> end_cases() {
    return {{"half-close-client", half_close_client}, {"half-close-server", half_close_server},
            {"close-at-once", close_at_once},         {"shutdown-read", shutdown_read},
            {"reset-by-client", reset_by_client},     {"reset-by-server", reset_by_server},
            {"unread-at-client", unread_at_client},   {"unread-at-server", unread_at_server}};
}

}  // namespace fsm::test
