#include "relay/worker.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "relay/destination.h"

namespace fsm::test {

namespace {

constexpr int kEventsAtOnce = 256;
constexpr int kAcceptsAtOnce = 64;
// How long the old worker accepts beside its successor: handshakes that were in progress when the
// successor began to listen complete within this time.
constexpr std::chrono::milliseconds kDrainGrace{300};

bool is_out_of_descriptors() {
    return errno == EMFILE || errno == ENFILE;
}

}  // namespace

class Worker::Acceptor : public EventHandler {
  public:
    Acceptor(Worker& worker, Listener listener) : worker_(worker), listener_(std::move(listener)) {}

    const Listener& listener() const { return listener_; }

    void handle(std::uint32_t /*events*/) override { accept_up_to(kAcceptsAtOnce); }

    // True when the queue was empty at the end.
    bool accept_up_to(int count) {
        for (int i = 0; i < count; ++i) {
            sockaddr_storage from{};
            socklen_t length = sizeof(from);
            Fd fd(::accept4(listener_.fd.get(), reinterpret_cast<sockaddr*>(&from), &length,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (fd) {
                worker_.accept_one(listener_, std::move(fd), Endpoint(from, length));
                continue;
            }
            if (errno == EAGAIN) {
                return true;
            }
            if (is_out_of_descriptors()) {
                std::perror("relay: accept");
                pause();
                return false;
            }
        }
        return false;
    }

    void resume() {
        if (paused_) {
            paused_ = false;
            set_interest(EPOLLIN);
        }
    }

  private:
    // No connection can be accepted until one ends, and epoll would report in a loop.
    void pause() {
        paused_ = true;
        set_interest(0);
    }

    void set_interest(std::uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.ptr = static_cast<EventHandler*>(this);
        if (epoll_ctl(worker_.epoll_fd(), EPOLL_CTL_MOD, listener_.fd.get(), &event) != 0) {
            std::perror("relay: epoll_ctl of a listener");
        }
    }

    Worker& worker_;
    Listener listener_;
    bool paused_ = false;
};

class Worker::DrainSignal : public EventHandler {
  public:
    DrainSignal(Worker& worker, int fd) : worker_(worker), fd_(fd) {}
    int fd() const { return fd_; }

    void handle(std::uint32_t /*events*/) override {
        epoll_ctl(worker_.epoll_fd(), EPOLL_CTL_DEL, fd_, nullptr);
        worker_.begin_drain();
    }

  private:
    Worker& worker_;
    int fd_;
};

Worker::Worker(const Config& config, const Reporter& reporter, ListenerSet listeners,
               int drain_signal)
    : config_(config),
      reporter_(reporter),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      scratch_(config.buffer_size),
      drain_signal_(std::make_unique<DrainSignal>(*this, drain_signal)) {
    for (Listener& listener : listeners) {
        acceptors_.push_back(std::make_unique<Acceptor>(*this, std::move(listener)));
    }
}

Worker::~Worker() = default;

Result<void> Worker::run() {
    FSM_TRY(set_up());
    std::array<epoll_event, kEventsAtOnce> events{};
    while (!is_done()) {
        const int count = epoll_wait(epoll_.get(), events.data(), kEventsAtOnce, wait_time());
        if (count < 0 && errno != EINTR) {
            return Error::from_errno("epoll_wait");
        }
        for (int i = 0; i < count; ++i) {
            static_cast<EventHandler*>(events[static_cast<std::size_t>(i)].data.ptr)
                ->handle(events[static_cast<std::size_t>(i)].events);
        }
        retired_.clear();
        if (drain_until_ && Clock::now() >= *drain_until_) {
            end_drain();
        }
    }
    return {};
}

void Worker::retire(Connection& connection) {
    const auto found = connections_.find(&connection);
    if (found == connections_.end()) {
        return;
    }
    retired_.push_back(std::move(found->second));
    connections_.erase(found);
    for (const auto& acceptor : acceptors_) {
        acceptor->resume();
    }
}

Result<void> Worker::set_up() {
    if (!epoll_) {
        return Error::from_errno("epoll_create1");
    }
    for (const auto& acceptor : acceptors_) {
        FSM_TRY(watch(acceptor->listener().fd.get(), *acceptor));
    }
    return watch(drain_signal_->fd(), *drain_signal_);
}

Result<void> Worker::watch(int fd, EventHandler& handler) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &handler;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        return Error::from_errno("epoll_ctl");
    }
    return {};
}

void Worker::accept_one(const Listener& listener, Fd accepted, const Endpoint& from) {
    const Observation observation{listener.direction, from, peer_endpoint(accepted.get()),
                                  local_endpoint(accepted.get()),
                                  original_destination(accepted.get())};
    reporter_.report(observation);
    const auto way = route(config_, observation);
    if (!way) {
        std::fprintf(stderr, "relay: %s connection from %s: %s\n",
                     std::string(to_string(listener.direction)).c_str(), from.to_string().c_str(),
                     way.error().message().c_str());
        reset_and_close(std::move(accepted));
        return;
    }
    auto upstream = start_connect(*way);
    if (!upstream) {
        reset_and_close(std::move(accepted));
        return;
    }
    auto connection =
        std::make_unique<Connection>(*this, std::move(accepted), std::move(*upstream));
    if (auto started = connection->start(); !started) {
        std::fprintf(stderr, "relay: %s\n", started.error().message().c_str());
        return;
    }
    Connection* key = connection.get();
    connections_.emplace(key, std::move(connection));
}

void Worker::begin_drain() {
    for (const auto& acceptor : acceptors_) {
        if (auto steered = steer_to_successor(acceptor->listener(), config_.workers); !steered) {
            std::fprintf(stderr, "relay: %s\n", steered.error().message().c_str());
        }
    }
    drain_until_ = Clock::now() + kDrainGrace;
}

void Worker::end_drain() {
    for (const auto& acceptor : acceptors_) {
        while (!acceptor->accept_up_to(kAcceptsAtOnce)) {
        }
        epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, acceptor->listener().fd.get(), nullptr);
    }
    acceptors_.clear();
    drain_until_.reset();
    drained_ = true;
}

int Worker::wait_time() const {
    if (!drain_until_) {
        return -1;
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(*drain_until_ - Clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0)) + 1;
}

}  // namespace fsm::test
