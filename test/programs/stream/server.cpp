// The server of every mode. Requests run on one epoll loop per worker, because they are measured;
// checked streams have a thread each, because they pause.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>
#include <unordered_map>

#include "net/options.h"
#include "stream/exchange.h"
#include "stream/modes.h"
#include "stream/protocol.h"
#include "stream/verdicts.h"

namespace fsm::test {

namespace {

constexpr const char* kVerdictGood = "ok";
constexpr std::size_t kScratchSize = 256 * 1024;
constexpr std::uint64_t kMaxBulkWrite = 4 * 1024 * 1024;

struct ServerSettings {
    std::vector<std::string> addresses;
    std::vector<std::uint16_t> ports;
    std::vector<std::uint16_t> server_first_ports;
    std::uint64_t workers = 1;
    std::uint64_t max_size = 0;
};

Verdicts& verdicts() {
    static Verdicts all;
    return all;
}

// ---- streams with a thread each ----

void serve_integrity(const Fd& fd, const ExchangePlan& plan, std::uint64_t id,
                     std::uint64_t random_seed) {
    const auto count = run_exchange(fd.get(), plan, random_seed);
    verdicts().give(id, count ? kVerdictGood : count.error().message());
}

Result<void> serve_bulk_down(const Fd& fd, const Hello& hello) {
    const std::vector<std::byte> data(std::min(hello.response_size, kMaxBulkWrite));
    while (true) {
        FSM_TRY(send_all(fd.get(), data));
    }
}

Result<void> serve_bulk_up(const Fd& fd) {
    std::vector<std::byte> buffer(kScratchSize);
    std::uint64_t total = 0;
    while (true) {
        const ssize_t received = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
        if (received == 0) {
            return send_all(fd.get(), std::as_bytes(std::span(&total, 1)));
        }
        if (received > 0) {
            total += static_cast<std::uint64_t>(received);
        } else if (errno != EAGAIN && errno != EINTR) {
            return Error::from_errno("recv");
        } else {
            FSM_TRY(wait_for(fd.get(), POLLIN, kPatience));
        }
    }
}

bool is_cut(const Fd& fd) {
    pollfd state{fd.get(), 0, 0};
    return poll(&state, 1, 0) == 1 && (state.revents & (POLLERR | POLLHUP)) != 0;
}

void serve_never_read(const Fd& fd, const Hello& hello) {
    while (!verdicts().wait_for_wake(hello.id, std::chrono::milliseconds(100))) {
        if (is_cut(fd)) {
            return;
        }
    }
    // The client knows the length only now: the amount that was accepted before it blocked.
    std::vector<std::byte> buffer(kScratchSize);
    std::uint64_t total = 0;
    while (true) {
        const ssize_t received = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
        if (received == 0) {
            verdicts().give(hello.id, std::to_string(total));
            return;
        }
        if (received < 0) {
            if ((errno == EAGAIN || errno == EINTR) && wait_for(fd.get(), POLLIN, kPatience)) {
                continue;
            }
            verdicts().give(hello.id, Error::from_errno("recv").message());
            return;
        }
        const auto length = static_cast<std::size_t>(received);
        if (first_difference(hello.seed, total, std::span(buffer).first(length)) != length) {
            verdicts().give(hello.id, "a byte near " + std::to_string(total) + " is wrong");
            return;
        }
        total += length;
    }
}

ExchangePlan answer_plan(const Hello& client) {
    ExchangePlan plan;
    plan.own = {.request = Request::integrity,
                .id = client.id,
                .request_size = client.response_size,
                .seed = ~client.seed};
    plan.peer = client;
    plan.pace = client.server_pace;
    plan.start = client.server_start;
    plan.unsent_hello = sizeof(Hello);
    return plan;
}

void serve_hello(const Fd& fd, const Hello& hello) {
    switch (hello.request) {
        case Request::integrity:
            serve_integrity(fd, answer_plan(hello), hello.id, hello.seed + 2);
            return;
        case Request::bulk_down:
            static_cast<void>(serve_bulk_down(fd, hello));  // ends when the client goes away
            return;
        case Request::bulk_up:
            static_cast<void>(serve_bulk_up(fd));
            return;
        case Request::never_read:
            serve_never_read(fd, hello);
            return;
        case Request::wake:
            verdicts().wake(hello.id);
            return;
        case Request::verdict: {
            const std::string text = verdicts().take(hello.id, kPatience - std::chrono::seconds(5));
            static_cast<void>(send_all(fd.get(), std::as_bytes(std::span(text))));
            return;
        }
        case Request::load:
            return;  // served on the loop
    }
}

// The server sends before it has read a byte. The peer's Hello arrives meanwhile.
void serve_first(const Fd& fd, std::uint64_t max_size) {
    thread_local std::mt19937_64 random{std::random_device{}()};
    ExchangePlan plan;
    plan.own = {.request = Request::integrity,
                .request_size = random_size(random, max_size),
                .seed = random()};
    plan.pace = static_cast<Pace>(random() % 3);
    plan.unsent_hello = sizeof(Hello);
    const auto count = run_exchange(fd.get(), plan, random());
    if (count) {
        verdicts().give(count->peer.id, kVerdictGood);
    } else {
        // The stream is unknown; its client finds no verdict and fails.
        std::fprintf(stderr, "stream server: server first: %s\n", count.error().message().c_str());
    }
}

// ---- requests ----

struct LoadSession {
    Fd fd;
    Hello hello;
    std::size_t hello_received = 0;
    std::uint64_t request_left = 0;
    std::uint64_t response_left = 0;
    std::uint32_t interest = EPOLLIN;
};

class ServerLoop {
  public:
    explicit ServerLoop(const ServerSettings& settings)
        : settings_(settings), epoll_(epoll_create1(EPOLL_CLOEXEC)), scratch_(kScratchSize) {}

    Result<void> listen() {
        for (const std::string& address : settings_.addresses) {
            for (const std::uint16_t port : settings_.ports) {
                FSM_TRY(add_listener(address, port, WhoBegins::client));
            }
            for (const std::uint16_t port : settings_.server_first_ports) {
                FSM_TRY(add_listener(address, port, WhoBegins::server));
            }
        }
        return {};
    }

    [[noreturn]] void run() {
        std::array<epoll_event, 256> events{};
        while (true) {
            const int count = epoll_wait(epoll_.get(), events.data(), events.size(), -1);
            for (int i = 0; i < count; ++i) {
                handle(events[static_cast<std::size_t>(i)].data.fd);
            }
        }
    }

  private:
    enum class WhoBegins : std::uint8_t { client, server };
    struct Listener {
        Fd fd;
        WhoBegins who_begins = WhoBegins::client;
    };

    Result<void> add_listener(const std::string& address, std::uint16_t port,
                              WhoBegins who_begins) {
        FSM_ASSIGN(const Endpoint endpoint, Endpoint::parse(address, port));
        ListenSettings settings;
        settings.reuse_port = settings_.workers > 1;
        FSM_ASSIGN(Fd fd, listen_on(endpoint, settings));
        const int number = fd.get();
        watch(number, EPOLLIN, EPOLL_CTL_ADD);
        listeners_.emplace(number, Listener{std::move(fd), who_begins});
        return {};
    }

    void watch(int fd, std::uint32_t interest, int operation) {
        epoll_event event{};
        event.events = interest;
        event.data.fd = fd;
        if (epoll_ctl(epoll_.get(), operation, fd, &event) != 0) {
            std::perror("stream server: epoll_ctl");
        }
    }

    void handle(int fd) {
        if (const auto listener = listeners_.find(fd); listener != listeners_.end()) {
            accept_all(listener->second);
            return;
        }
        const auto found = sessions_.find(fd);
        if (found == sessions_.end()) {
            return;
        }
        switch (advance(found->second)) {
            case Step::waits:
                return;
            case Step::over:
                sessions_.erase(found);
                return;
            case Step::belongs_to_thread:
                hand_over(std::move(found->second));
                sessions_.erase(found);
                return;
        }
    }

    void accept_all(const Listener& listener) {
        while (true) {
            Fd fd(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (!fd) {
                if (errno != EAGAIN) {
                    std::perror("stream server: accept");
                }
                return;
            }
            if (listener.who_begins == WhoBegins::server) {
                std::thread([fd = std::move(fd), size = settings_.max_size] {
                    serve_first(fd, size);
                }).detach();
                continue;
            }
            const int number = fd.get();
            watch(number, EPOLLIN, EPOLL_CTL_ADD);
            LoadSession session;
            session.fd = std::move(fd);
            sessions_.emplace(number, std::move(session));
        }
    }

    void hand_over(LoadSession session) {
        epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, session.fd.get(), nullptr);
        std::thread([fd = std::move(session.fd), hello = session.hello] {
            serve_hello(fd, hello);
        }).detach();
    }

    enum class Step : std::uint8_t { waits, over, belongs_to_thread };

    Step advance(LoadSession& session) {
        if (session.hello_received < sizeof(Hello)) {
            return read_hello(session);
        }
        if (session.response_left > 0) {
            return write_response(session);
        }
        return read_request(session);
    }

    static Step after_failed_call(ssize_t result) {
        const bool try_again = result < 0 && (errno == EAGAIN || errno == EINTR);
        return try_again ? Step::waits : Step::over;
    }

    Step read_hello(LoadSession& session) {
        // Reads not more than the Hello: what follows is for the handler.
        auto* into = reinterpret_cast<std::byte*>(&session.hello) + session.hello_received;
        const ssize_t received =
            ::recv(session.fd.get(), into, sizeof(Hello) - session.hello_received, 0);
        if (received <= 0) {
            return after_failed_call(received);
        }
        session.hello_received += static_cast<std::size_t>(received);
        if (session.hello_received < sizeof(Hello)) {
            return Step::waits;
        }
        if (session.hello.magic != kHelloMagic) {
            return Step::over;
        }
        if (session.hello.request != Request::load) {
            return Step::belongs_to_thread;
        }
        session.request_left = session.hello.request_size;
        return read_request(session);
    }

    Step read_request(LoadSession& session) {
        const ssize_t received = ::recv(session.fd.get(), scratch_.data(), scratch_.size(), 0);
        if (received <= 0) {
            return after_failed_call(received);
        }
        const auto length = static_cast<std::uint64_t>(received);
        if (length > session.request_left) {
            return Step::over;  // the client violates the protocol
        }
        session.request_left -= length;
        if (session.request_left > 0) {
            return Step::waits;
        }
        session.request_left = session.hello.request_size;
        session.response_left = session.hello.response_size;
        return write_response(session);
    }

    Step write_response(LoadSession& session) {
        while (session.response_left > 0) {
            const ssize_t sent = ::send(
                session.fd.get(), scratch_.data(),
                std::min<std::uint64_t>(session.response_left, scratch_.size()), MSG_NOSIGNAL);
            if (sent < 0) {
                wait_for_events(session, EPOLLOUT);
                return after_failed_call(sent);
            }
            session.response_left -= static_cast<std::uint64_t>(sent);
        }
        wait_for_events(session, EPOLLIN);
        return Step::waits;
    }

    void wait_for_events(LoadSession& session, std::uint32_t events) {
        if (session.interest != events) {
            session.interest = events;
            watch(session.fd.get(), events, EPOLL_CTL_MOD);
        }
    }

    const ServerSettings& settings_;
    Fd epoll_;
    std::vector<std::byte> scratch_;
    std::unordered_map<int, Listener> listeners_;
    std::unordered_map<int, LoadSession> sessions_;
};

Result<ServerSettings> parse_settings(const Arguments& arguments) {
    FSM_ASSIGN(const Options options,
               Options::parse(arguments,
                              {"address", "port", "server-first-port", "workers", "max-size"}, {}));
    ServerSettings settings;
    if (options.has("address")) {
        settings.addresses = {options.text("address", "")};
    } else {
        settings.addresses = {"0.0.0.0", "::"};
    }
    FSM_ASSIGN(settings.ports, parse_ports(options.text("port", "8080")));
    if (options.has("server-first-port")) {
        FSM_ASSIGN(settings.server_first_ports, parse_ports(options.text("server-first-port", "")));
    }
    FSM_ASSIGN(settings.workers, options.number("workers", 1));
    FSM_ASSIGN(settings.max_size, options.number("max-size", 4 * 1024 * 1024));
    return settings;
}

}  // namespace

Result<int> run_server(const Arguments& arguments) {
    FSM_ASSIGN(const ServerSettings settings, parse_settings(arguments));
    raise_file_limit();
    std::vector<std::unique_ptr<ServerLoop>> loops;
    for (std::uint64_t i = 0; i < settings.workers; ++i) {
        loops.push_back(std::make_unique<ServerLoop>(settings));
        FSM_TRY(loops.back()->listen());
    }
    std::puts("{\"listening\": true}");
    std::fflush(stdout);
    // Processes, not threads: each has a separate limit of open files.
    while (loops.size() > 1) {
        const pid_t pid = fork();
        if (pid < 0) {
            return Error::from_errno("fork a worker");
        }
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            const std::unique_ptr<ServerLoop> own = std::move(loops.back());
            loops.clear();
            own->run();
        }
        loops.pop_back();
    }
    loops.front()->run();
}

}  // namespace fsm::test
