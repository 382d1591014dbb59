// validate-istio: the check of Istio's validation container before a pod starts. Run it as the
// sidecar's user: its call to 127.0.0.6 must arrive at one of its own two listeners on 127.0.0.1,
// with the called port as the original destination.
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <thread>

#include "net/options.h"
#include "stream/modes.h"
#include "stream/protocol.h"

namespace fsm::test {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPauseBetweenTries{1000};

struct Check {
    std::array<Endpoint, 2> listen;
    Endpoint source;
    Endpoint target;
    milliseconds time{0};
};

Result<Fd> call(const Check& check) {
    FSM_ASSIGN(Fd fd, tcp_socket(check.source.family(), Blocking::no));
    if (::bind(fd.get(), check.source.raw(), check.source.length()) != 0) {
        return Error::from_errno("bind " + check.source.to_string());
    }
    if (::connect(fd.get(), check.target.raw(), check.target.length()) != 0 &&
        errno != EINPROGRESS) {
        return Error::from_errno("connect " + check.target.to_string());
    }
    return fd;
}

Result<Fd> accept_from(const Fd& listener) {
    Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
        return Error::from_errno("accept");
    }
    return fd;
}

// The port of the listener that accepted the call.
Result<std::uint16_t> arrival(const Check& check, const std::array<Fd, 2>& listeners) {
    std::array<pollfd, 2> waiting{};
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        waiting[i] = {listeners[i].get(), POLLIN, 0};
    }
    if (poll(waiting.data(), waiting.size(), static_cast<int>(kPauseBetweenTries.count())) <= 0) {
        return Error("the call to " + check.target.to_string() + " arrived at neither listener",
                     ETIMEDOUT);
    }
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        if ((waiting[i].revents & POLLIN) == 0) {
            continue;
        }
        FSM_ASSIGN(const Fd accepted, accept_from(listeners[i]));
        FSM_ASSIGN(const Endpoint original, original_destination(accepted.get()));
        if (original.port() != check.target.port()) {
            return Error("SO_ORIGINAL_DST says " + original.to_string() + ", not port " +
                         std::to_string(check.target.port()));
        }
        return check.listen[i].port();
    }
    return Error("poll reported nothing to accept");
}

Result<std::uint16_t> try_once(const Check& check, const std::array<Fd, 2>& listeners) {
    FSM_ASSIGN(const Fd caller, call(check));
    return arrival(check, listeners);
}

Result<std::uint16_t> validate(const Check& check) {
    std::array<Fd, 2> listeners;
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        FSM_ASSIGN(listeners[i], listen_on(check.listen[i], {}));
    }
    const auto until = Clock::now() + check.time;
    while (true) {
        const auto began = Clock::now();
        auto port = try_once(check, listeners);
        if (port || Clock::now() >= until) {
            return port;
        }
        std::this_thread::sleep_until(began + kPauseBetweenTries);
    }
}

Result<Check> parse_check(const Arguments& arguments) {
    FSM_ASSIGN(
        const Options options,
        Options::parse(arguments,
                       {"outbound", "inbound", "address", "target", "target-port", "seconds"}, {}));
    FSM_ASSIGN(const std::uint16_t outbound, options.port("outbound", 15001));
    FSM_ASSIGN(const std::uint16_t inbound, options.port("inbound", 15006));
    FSM_ASSIGN(const std::uint16_t target_port, options.port("target-port", 15002));
    FSM_ASSIGN(const std::uint64_t seconds, options.number("seconds", 5));
    Check check;
    FSM_ASSIGN(check.source, Endpoint::parse(options.text("address", "127.0.0.1"), 0));
    check.listen = {check.source.with_port(outbound), check.source.with_port(inbound)};
    FSM_ASSIGN(check.target, Endpoint::parse(options.text("target", "127.0.0.6"), target_port));
    check.time = std::chrono::seconds(seconds);
    return check;
}

}  // namespace

Result<int> run_validate_istio(const Arguments& arguments) {
    FSM_ASSIGN(const Check check, parse_check(arguments));
    const auto port = validate(check);
    if (!port) {
        std::printf("{\"valid\": false, \"reason\": \"%s\"}\n", port.error().message().c_str());
        return 1;
    }
    std::printf("{\"valid\": true, \"listener\": %u, \"original_dst_port\": %u}\n", *port,
                check.target.port());
    return 0;
}

}  // namespace fsm::test
