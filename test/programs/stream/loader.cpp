#include "stream/loader.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>

#include "net/options.h"

namespace fsm::test {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t kScratchSize = 256 * 1024;
constexpr milliseconds kPauseAfterFailure{10};
constexpr milliseconds kLongestWait{100};
constexpr std::uint64_t kConnectsAtOnce = 64;
// The amount that a pace catches up after a delay of the loader itself.
constexpr milliseconds kMadeUpFor{20};

enum class Phase : std::uint8_t { idle, connecting, sending, receiving };

struct Slot {
    Fd fd;
    Phase phase = Phase::idle;
    Endpoint target;
    std::uint64_t requests = 0;
    std::uint64_t sent = 0;  // of `message`
    std::uint64_t left = 0;  // of the response
    Clock::time_point began{};
    Clock::time_point not_before{};
};

class Loader {
  public:
    explicit Loader(const LoaderSettings& settings)
        : settings_(settings),
          epoll_(epoll_create1(EPOLL_CLOEXEC)),
          slots_(settings.connections),
          scratch_(kScratchSize) {
        Hello hello;
        hello.request = Request::load;
        hello.request_size = settings.request_size;
        hello.response_size = settings.response_size;
        const auto bytes = as_bytes(hello);
        message_.assign(bytes.begin(), bytes.end());
        message_.resize(sizeof(Hello) + settings.request_size, std::byte{'x'});
    }

    Result<LoaderResult> run() {
        if (!epoll_) {
            return Error::from_errno("epoll_create1");
        }
        start_ = Clock::now();
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            idle_.push_back(i);
        }
        next_check_ = start_ + milliseconds(1000);
        while (!is_over()) {
            open_some();
            FSM_TRY(wait_and_handle());
            time_out_late_ones();
        }
        result_.seconds = seconds_since(start_);
        note_waiting();
        return std::move(result_);
    }

  private:
    bool time_is_up() const {
        return (settings_.duration && Clock::now() - start_ >= *settings_.duration) ||
               (settings_.told_to_end && settings_.told_to_end() &&
                result_.requests >= settings_.at_least_requests);
    }
    bool may_open() const {
        return !settings_.total_connections || opened_ < *settings_.total_connections;
    }
    bool is_over() const { return time_is_up() || (!may_open() && idle_.size() == slots_.size()); }

    void open_some() {
        const auto now = Clock::now();
        for (std::uint64_t i = 0; i < kConnectsAtOnce && !idle_.empty() && may_open(); ++i) {
            const std::size_t index = idle_.front();
            if (may_open_from(index) > now) {
                return;
            }
            idle_.pop_front();
            keep_pace(now);
            open(index);
        }
    }

    Clock::time_point may_open_from(std::size_t index) const {
        return std::max(slots_[index].not_before, next_open_);
    }

    void keep_pace(Clock::time_point now) {
        if (settings_.connections_per_second) {
            next_open_ = std::max(next_open_, now - kMadeUpFor) +
                         std::chrono::nanoseconds(std::chrono::seconds(1)) /
                             *settings_.connections_per_second;
        }
    }

    void open(std::size_t index) {
        Slot& slot = slots_[index];
        slot.target = settings_.targets[opened_++ % settings_.targets.size()];
        slot.requests = 0;
        slot.began = Clock::now();
        auto fd = tcp_socket(slot.target.family(), Blocking::no);
        if (!fd) {
            connect_failed(index, fd.error().errno_value());
            return;
        }
        slot.fd = std::move(*fd);
        static_cast<void>(set_option(slot.fd.get(), IPPROTO_TCP, TCP_NODELAY, 1));
        slot.phase = Phase::connecting;
        if (::connect(slot.fd.get(), slot.target.raw(), slot.target.length()) != 0 &&
            errno != EINPROGRESS) {
            connect_failed(index, errno);
            return;
        }
        watch(index, EPOLLOUT, EPOLL_CTL_ADD);
    }

    void watch(std::size_t index, std::uint32_t events, int operation) {
        epoll_event event{};
        event.events = events;
        event.data.u64 = index;
        if (epoll_ctl(epoll_.get(), operation, slots_[index].fd.get(), &event) != 0) {
            connect_failed(index, errno);
        }
    }

    Result<void> wait_and_handle() {
        std::array<epoll_event, 256> events{};
        milliseconds wait = kLongestWait;
        if (!idle_.empty() && may_open()) {
            const auto until = may_open_from(idle_.front()) - Clock::now();
            wait = std::clamp(std::chrono::duration_cast<milliseconds>(until) + milliseconds(1),
                              milliseconds(0), kLongestWait);
            if (until <= Clock::duration::zero()) {
                wait = milliseconds(0);
            }
        }
        const int count =
            epoll_wait(epoll_.get(), events.data(), events.size(), static_cast<int>(wait.count()));
        if (count < 0 && errno != EINTR) {
            return Error::from_errno("epoll_wait");
        }
        for (int i = 0; i < count; ++i) {
            advance(events[static_cast<std::size_t>(i)].data.u64);
        }
        return {};
    }

    void advance(std::size_t index) {
        switch (slots_[index].phase) {
            case Phase::connecting:
                finish_connect(index);
                return;
            case Phase::sending:
                send_more(index);
                return;
            case Phase::receiving:
                receive_more(index);
                return;
            case Phase::idle:
                return;
        }
    }

    void finish_connect(std::size_t index) {
        Slot& slot = slots_[index];
        const auto error = get_option(slot.fd.get(), SOL_SOCKET, SO_ERROR);
        if (!error || *error != 0) {
            connect_failed(index, error ? *error : error.error().errno_value());
            return;
        }
        ++result_.connected;
        if (settings_.request_size == 0) {
            record_latency(slot);
            close_in_turn(index);
            return;
        }
        watch(index, EPOLLIN, EPOLL_CTL_MOD);
        slot.sent = 0;
        send_more(index);
    }

    void begin_request(std::size_t index) {
        slots_[index].began = Clock::now();
        slots_[index].sent = sizeof(Hello);  // only the first request has a Hello
        send_more(index);
    }

    void send_more(std::size_t index) {
        Slot& slot = slots_[index];
        const ssize_t sent = ::send(slot.fd.get(), message_.data() + slot.sent,
                                    message_.size() - slot.sent, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            request_failed(index, errno_name(errno));
            return;
        }
        slot.sent += sent > 0 ? static_cast<std::uint64_t>(sent) : 0;
        if (slot.sent == message_.size()) {
            if (slot.phase == Phase::sending) {
                watch(index, EPOLLIN, EPOLL_CTL_MOD);
            }
            slot.phase = Phase::receiving;
            slot.left = settings_.response_size;
        } else if (slot.phase != Phase::sending) {
            slot.phase = Phase::sending;
            watch(index, EPOLLOUT, EPOLL_CTL_MOD);
        }
    }

    void receive_more(std::size_t index) {
        Slot& slot = slots_[index];
        const ssize_t received = ::recv(slot.fd.get(), scratch_.data(), scratch_.size(), 0);
        if (received < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                request_failed(index, errno_name(errno));
            }
            return;
        }
        if (received == 0) {
            request_failed(index, "EOF");
            return;
        }
        if (static_cast<std::uint64_t>(received) > slot.left) {
            request_failed(index, "EPROTO");
            return;
        }
        slot.left -= static_cast<std::uint64_t>(received);
        if (slot.left == 0) {
            finish_request(index);
        }
    }

    void finish_request(std::size_t index) {
        Slot& slot = slots_[index];
        ++result_.requests;
        record_latency(slot);
        if (++slot.requests == settings_.requests_per_connection) {
            close_in_turn(index);
        } else if (!time_is_up()) {
            begin_request(index);
        }
    }

    void record_latency(const Slot& slot) {
        result_.latencies_us.push_back(microseconds_since(slot.began, Clock::now()));
    }

    // A missing answer is not an error if the time ends before the patience.
    void note_waiting() {
        const auto now = Clock::now();
        for (const Slot& slot : slots_) {
            const bool waits = slot.phase == Phase::connecting || slot.phase == Phase::sending ||
                               (slot.phase == Phase::receiving && slot.left != 0);
            if (waits) {
                result_.waiting_us =
                    std::max(result_.waiting_us, microseconds_since(slot.began, now));
            }
        }
    }

    static std::uint32_t microseconds_since(Clock::time_point began, Clock::time_point now) {
        return static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(now - began).count());
    }

    void close_in_turn(std::size_t index) {
        ++result_.closed_in_turn;
        release(index, settings_.close_with);
    }

    void connect_failed(std::size_t index, int error) {
        ++result_.connect_errors[errno_name(error)];
        release_after_failure(index);
    }

    void request_failed(std::size_t index, const std::string& why) {
        ++result_.request_errors[why];
        release_after_failure(index);
    }

    void release_after_failure(std::size_t index) {
        if (!settings_.total_connections) {
            slots_[index].not_before = Clock::now() + kPauseAfterFailure;
        }
        release(index, CloseWith::fin);
    }

    void release(std::size_t index, CloseWith how) {
        Slot& slot = slots_[index];
        if (how == CloseWith::reset) {
            reset_and_close(std::move(slot.fd));
        }
        slot.fd.reset();
        slot.phase = Phase::idle;
        idle_.push_back(index);
    }

    void time_out_late_ones() {
        const auto now = Clock::now();
        if (now < next_check_) {
            return;
        }
        next_check_ = now + milliseconds(1000);
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            if (slots_[i].phase == Phase::idle || now - slots_[i].began < settings_.patience) {
                continue;
            }
            if (slots_[i].phase == Phase::connecting) {
                connect_failed(i, ETIMEDOUT);
            } else {
                request_failed(i, "no answer in time");
            }
        }
    }

    const LoaderSettings& settings_;
    Fd epoll_;
    std::vector<Slot> slots_;
    std::deque<std::size_t> idle_;
    std::vector<std::byte> scratch_;
    std::vector<std::byte> message_;  // Hello and one request
    std::uint64_t opened_ = 0;
    Clock::time_point start_;
    Clock::time_point next_open_{};
    Clock::time_point next_check_;
    LoaderResult result_;
};

}  // namespace

Result<LoaderResult> run_loader(const LoaderSettings& settings) {
    return Loader(settings).run();
}

std::uint32_t percentile(std::vector<std::uint32_t>& latencies, double share) {
    if (latencies.empty()) {
        return 0;
    }
    const auto index =
        static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies.size() - 1));
    std::nth_element(latencies.begin(), latencies.begin() + index, latencies.end());
    return latencies[static_cast<std::size_t>(index)];
}

Result<std::vector<Endpoint>> parse_targets(const std::string& address, const std::string& ports) {
    FSM_ASSIGN(const Endpoint host, Endpoint::parse(address, 0));
    FSM_ASSIGN(const auto numbers, parse_ports(ports));
    std::vector<Endpoint> targets;
    for (const std::uint16_t port : numbers) {
        targets.push_back(host.with_port(port));
    }
    return targets;
}

}  // namespace fsm::test
