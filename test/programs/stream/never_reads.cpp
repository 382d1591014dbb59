// never-reads: how much a writer can send while the peer does not read, and whether all of it
// arrives when the reader resumes.
#include <poll.h>
#include <sys/socket.h>

#include <cstdio>
#include <random>

#include "net/options.h"
#include "stream/modes.h"
#include "stream/protocol.h"

namespace fsm::test {

namespace {

constexpr std::size_t kWriteSize = 64 * 1024;

struct Written {
    std::uint64_t bytes = 0;
    bool blocked = false;
};

// Writes until nothing was accepted for `quiet`, or up to `limit` bytes.
Result<Written> write_until_blocked(const Fd& fd, std::uint64_t seed, std::uint64_t limit,
                                    std::chrono::milliseconds quiet) {
    Written written;
    std::vector<std::byte> data(kWriteSize);
    while (written.bytes < limit) {
        fill_pattern(seed, written.bytes, data);
        const ssize_t sent = ::send(fd.get(), data.data(), data.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            written.bytes += static_cast<std::uint64_t>(sent);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR) {
            return Error::from_errno("send at " + std::to_string(written.bytes));
        }
        auto waited = wait_for(fd.get(), POLLOUT, quiet);
        if (!waited && waited.error().errno_value() == ETIMEDOUT) {
            written.blocked = true;
            return written;
        }
        FSM_TRY(std::move(waited));
    }
    return written;
}

Result<std::string> call(const Endpoint& target, Request request, std::uint64_t id) {
    FSM_ASSIGN(const Fd fd, connect_to(target, kPatience));
    Hello hello;
    hello.request = request;
    hello.id = id;
    FSM_TRY(send_all(fd.get(), as_bytes(hello)));
    return receive_to_end(fd.get());
}

}  // namespace

Result<int> run_never_reads(const Arguments& arguments) {
    FSM_ASSIGN(const Options options,
               Options::parse(arguments, {"address", "port", "limit", "quiet-ms"}, {}));
    FSM_ASSIGN(const std::uint16_t port, options.port("port", 8080));
    FSM_ASSIGN(const Endpoint target, Endpoint::parse(options.text("address", "127.0.0.1"), port));
    FSM_ASSIGN(const std::uint64_t limit, options.number("limit", 1ULL << 30U));
    FSM_ASSIGN(const std::uint64_t quiet, options.number("quiet-ms", 2000));

    std::random_device random;
    Hello hello;
    hello.request = Request::never_read;
    hello.id = (std::uint64_t{random()} << 32U) | random();
    hello.seed = hello.id;
    const auto start = Clock::now();
    FSM_ASSIGN(const Fd fd, connect_to(target, kPatience));
    FSM_TRY(send_all(fd.get(), as_bytes(hello)));
    FSM_ASSIGN(const Written written,
               write_until_blocked(fd, hello.seed, limit, std::chrono::milliseconds(quiet)));
    std::printf("{\"written\": %lu, \"blocked\": %s, \"seconds\": %.3f}\n", written.bytes,
                written.blocked ? "true" : "false", seconds_since(start));
    std::fflush(stdout);

    if (::shutdown(fd.get(), SHUT_WR) != 0) {
        return Error::from_errno("shutdown");
    }
    FSM_ASSIGN(const std::string woken, call(target, Request::wake, hello.id));
    FSM_ASSIGN(const std::string verdict, call(target, Request::verdict, hello.id));
    const bool arrived = verdict == std::to_string(written.bytes);
    std::printf("{\"arrived\": %s, \"server\": \"%s\"}\n", arrived ? "true" : "false",
                verdict.c_str());
    return arrived && written.blocked ? 0 : 1;
}

}  // namespace fsm::test
