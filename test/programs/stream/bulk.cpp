// bulk: streams at full speed, for a given time.
#include <poll.h>
#include <sys/socket.h>

#include <cstdio>
#include <thread>

#include "net/options.h"
#include "stream/loader.h"
#include "stream/modes.h"

namespace fsm::test {

namespace {

struct BulkSettings {
    Endpoint target;
    Request direction = Request::bulk_down;
    std::uint64_t size = 0;  // bytes of one write
    Clock::time_point until;
};

Result<std::uint64_t> transfer_down(const Fd& fd, Clock::time_point until) {
    std::vector<std::byte> buffer(256 * 1024);
    std::uint64_t total = 0;
    while (Clock::now() < until) {
        const ssize_t received = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
        if (received > 0) {
            total += static_cast<std::uint64_t>(received);
        } else if (received == 0) {
            return Error("the stream ended early", ENODATA);
        } else if (errno != EAGAIN && errno != EINTR) {
            return Error::from_errno("recv");
        } else {
            FSM_TRY(wait_for(fd.get(), POLLIN, kPatience));
        }
    }
    return total;
}

Result<std::uint64_t> transfer_up(const Fd& fd, Clock::time_point until, std::uint64_t size) {
    const std::vector<std::byte> data(size);
    while (Clock::now() < until) {
        FSM_TRY(send_all(fd.get(), data));
    }
    if (::shutdown(fd.get(), SHUT_WR) != 0) {
        return Error::from_errno("shutdown");
    }
    std::uint64_t total = 0;
    FSM_TRY(receive_all(fd.get(), std::as_writable_bytes(std::span(&total, 1))));
    return total;
}

Result<std::uint64_t> transfer(const BulkSettings& settings) {
    FSM_ASSIGN(const Fd fd, connect_to(settings.target, kPatience));
    Hello hello;
    hello.request = settings.direction;
    hello.response_size = settings.size;
    FSM_TRY(send_all(fd.get(), as_bytes(hello)));
    return settings.direction == Request::bulk_down
               ? transfer_down(fd, settings.until)
               : transfer_up(fd, settings.until, settings.size);
}

Result<Request> parse_direction(const std::string& text) {
    if (text == "down") {
        return Request::bulk_down;
    }
    if (text == "up") {
        return Request::bulk_up;
    }
    return Error("--direction: \"" + text + "\" is not down or up", EINVAL);
}

}  // namespace

Result<int> run_bulk(const Arguments& arguments) {
    FSM_ASSIGN(
        const Options options,
        Options::parse(arguments,
                       {"address", "port", "connections", "seconds", "size", "direction"}, {}));
    BulkSettings settings;
    FSM_ASSIGN(const auto targets,
               parse_targets(options.text("address", "127.0.0.1"), options.text("port", "8080")));
    settings.target = targets.front();
    FSM_ASSIGN(settings.direction, parse_direction(options.text("direction", "down")));
    FSM_ASSIGN(settings.size, options.number("size", 65536));
    FSM_ASSIGN(const std::uint64_t connections, options.number("connections", 1));
    FSM_ASSIGN(const std::uint64_t seconds, options.number("seconds", 5));
    if (settings.size == 0 || connections == 0) {
        return Error("--size and --connections must be at least 1", EINVAL);
    }
    const auto start = Clock::now();
    settings.until = start + std::chrono::seconds(seconds);

    std::vector<Result<std::uint64_t>> results(connections, Error("not run"));
    std::vector<std::thread> threads;
    for (auto& result : results) {
        threads.emplace_back([&settings, &result] { result = transfer(settings); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    const double elapsed = seconds_since(start);
    std::uint64_t bytes = 0;
    std::uint64_t failed = 0;
    for (const auto& result : results) {
        bytes += result ? *result : 0;
        failed += result ? 0 : 1;
        if (!result) {
            std::fprintf(stderr, "stream bulk: %s\n", result.error().message().c_str());
        }
    }
    std::printf("{\"bytes\": %lu, \"failed\": %lu, \"seconds\": %.3f, \"gbit_per_second\": %.3f}\n",
                bytes, failed, elapsed, static_cast<double>(bytes) * 8 / elapsed / 1e9);
    return failed == 0 ? 0 : 1;
}

}  // namespace fsm::test
