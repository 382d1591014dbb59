#include "interceptor/api/http_server.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "common/guarded.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPauseWithoutDescriptors{100};
constexpr std::chrono::milliseconds kPauseAfterAnError{100};
constexpr std::chrono::milliseconds kDrainTime{1000};
constexpr std::chrono::milliseconds kStopCheck{100};

int milliseconds_until(Clock::time_point when) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - Clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 60000));
}

// Sends on a non-blocking descriptor, within the given time, and only while the server runs.
void send_within(const Fd& fd, std::string_view bytes, std::chrono::milliseconds limit,
                 const std::atomic<bool>& stopping) {
    const auto deadline = Clock::now() + limit;
    while (!bytes.empty()) {
        const ssize_t sent = send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            continue;
        }
        if (errno != EINTR && errno != EAGAIN) {
            return;  // the client is gone
        }
        if (Clock::now() >= deadline || stopping) {
            log::debug("a client did not take its response");
            return;
        }
        pollfd writable{fd.get(), POLLOUT, 0};
        poll(&writable, 1, milliseconds_until(std::min(deadline, Clock::now() + kStopCheck)));
    }
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(std::unique_ptr<Listener> listener,
                                                      const HttpRouter& router, HttpLimits limits) {
    Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake) {
        return Error::from_errno("make an eventfd");
    }
    return std::unique_ptr<HttpServer>(
        new HttpServer(std::move(listener), router, limits, std::move(wake)));
}

HttpServer::HttpServer(std::unique_ptr<Listener> listener, const HttpRouter& router,
                       HttpLimits limits, Fd wake)
    : listener_(std::move(listener)),
      router_(router),
      limits_(limits),
      wake_(std::move(wake)),
      workers_(limits.max_workers),
      thread_([this] { loop(); }) {}

HttpServer::~HttpServer() {
    stopping_ = true;
    const std::uint64_t one = 1;
    if (write(wake_.get(), &one, sizeof(one)) != sizeof(one)) {
        log::error("{}", Error::from_errno("wake the API's thread").message());
    }
    thread_.join();
}

void HttpServer::accept_clients() {
    while (true) {
        Fd connection(
            accept4(listener_->fd().get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (connection) {
            admit(std::move(connection));
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log::warn("{}", Error::from_errno("accept a client").message());
            accept_again_ = Clock::now() + kPauseWithoutDescriptors;
            return;
        }
        if (errno != EINTR && errno != ECONNABORTED) {
            return;  // EAGAIN
        }
    }
}

void HttpServer::admit(Fd connection) {
    if (clients_.size() >= limits_.max_waiting) {
        log::debug("a client was dropped before its request was whole: {} others wait",
                   limits_.max_waiting);
        clients_.pop_front();
    }
    clients_.push_back(Client{std::move(connection), Clock::now() + limits_.request_time,
                              RequestBuffer(limits_.max_body), false});
    Client& client = clients_.back();
    if (const auto admitted = listener_->admit(client.fd); !admitted) {
        refuse(client, 403, HttpFault::forbidden, "the client is refused",
               admitted.error().message());
    }
}

// The client may still be sending: closing now could discard the answer.
void HttpServer::refuse(Client& client, int status, HttpFault fault, const std::string& message,
                        const std::string& details) {
    log::debug("a request was refused before it was whole: {}: {}", message, details);
    const std::string response = raw_response(router_.error(status, fault, message, details));
    send_within(client.fd, response, std::chrono::milliseconds(0), stopping_);
    shutdown(client.fd.get(), SHUT_WR);
    client.draining = true;
    client.deadline = std::min(client.deadline, Clock::now() + kDrainTime);
}

void HttpServer::hand_over(Client& client) {
    auto connection = std::make_shared<Fd>(std::move(client.fd));
    workers_.run([this, connection, request = client.request.take()]() mutable {
        send_within(*connection, router_.respond(std::move(request)), limits_.response_time,
                    stopping_);
    });
}

bool HttpServer::read_from(Client& client) {
    char buffer[16384];
    const ssize_t count = recv(client.fd.get(), buffer, sizeof(buffer), 0);
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (count == 0) {
        if (!client.draining && !client.request.empty()) {
            refuse(client, 400, HttpFault::malformed, "the request is not complete",
                   "the client closed the connection before its end");
        }
        return false;
    }
    if (client.draining) {
        return true;
    }
    switch (client.request.append({buffer, static_cast<std::size_t>(count)})) {
        case RequestBuffer::State::incomplete:
            return true;
        case RequestBuffer::State::refused:
            refuse(client, client.request.status(), HttpFault::malformed, "the request is refused",
                   client.request.reason());
            return true;
        case RequestBuffer::State::complete:
            hand_over(client);
            return false;
    }
    return false;
}

void HttpServer::drop_late_clients() {
    const auto now = Clock::now();
    for (auto client = clients_.begin(); client != clients_.end();) {
        if (client->deadline > now) {
            ++client;
            continue;
        }
        if (!client->draining) {
            log::debug("a client was dropped: its request was not whole in time");
        }
        if (!client->draining && !client->request.empty()) {
            send_within(client->fd,
                        raw_response(router_.error(408, HttpFault::too_slow,
                                                   "the request took too long", "")),
                        std::chrono::milliseconds(0), stopping_);
        }
        client = clients_.erase(client);
    }
}

int HttpServer::poll_timeout() const {
    auto wake_at = Clock::now() + std::chrono::minutes(1);
    for (const auto& client : clients_) {
        wake_at = std::min(wake_at, client.deadline);
    }
    if (accept_again_ > Clock::now()) {
        wake_at = std::min(wake_at, accept_again_);
    }
    return milliseconds_until(wake_at);
}

// Polls all clients once.
void HttpServer::turn() {
    const bool accepting = accept_again_ <= Clock::now();
    std::vector<pollfd> waiting;
    waiting.push_back({wake_.get(), POLLIN, 0});
    waiting.push_back({accepting ? listener_->fd().get() : -1, POLLIN, 0});
    for (const auto& client : clients_) {
        waiting.push_back({client.fd.get(), POLLIN, 0});
    }
    poll(waiting.data(), waiting.size(), poll_timeout());
    if (stopping_) {
        return;
    }
    std::size_t index = 2;
    for (auto client = clients_.begin(); client != clients_.end(); ++index) {
        const bool keep = waiting[index].revents == 0 || read_from(*client);
        client = keep ? std::next(client) : clients_.erase(client);
    }
    drop_late_clients();
    if (waiting[1].revents != 0) {
        accept_clients();
    }
}

void HttpServer::loop() {
    pthread_setname_np(pthread_self(), "fsm-api");
    while (!stopping_) {
        const auto done = guarded("serve the API's clients", [&] { turn(); });
        if (!done) {
            log::error("{}; going on", done.error().message());
            std::this_thread::sleep_for(kPauseAfterAnError);
        }
    }
}

}  // namespace fsm
