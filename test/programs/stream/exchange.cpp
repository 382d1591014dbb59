#include "stream/exchange.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace fsm::test {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBufferSize = 256 * 1024;

// When one direction may continue, and with how much data.
class Pacer {
  public:
    Pacer(Pace pace, std::uint64_t seed) : pace_(pace), random_(seed) {
        if (pace_ == Pace::sleeping) {
            sleep_up_to(400);
        }
    }

    // The remaining pause; nothing while it is active.
    std::optional<milliseconds> asleep_for() const {
        const auto left = awake_at_ - Clock::now();
        if (left <= Clock::duration::zero()) {
            return std::nullopt;
        }
        return std::chrono::ceil<milliseconds>(left);
    }

    std::size_t amount() {
        const std::size_t most = pace_ == Pace::slow ? 8192 : kBufferSize;
        return static_cast<std::size_t>(random_size(random_, most)) + 1;
    }

    void acted() {
        if (pace_ == Pace::slow) {
            sleep_up_to(3);
        } else if (pace_ == Pace::sleeping && random_() % 64 == 0) {
            sleep_up_to(300);
        }
    }

  private:
    void sleep_up_to(unsigned most_ms) {
        awake_at_ = Clock::now() + milliseconds(random_() % most_ms);
    }

    Pace pace_;
    std::mt19937_64 random_;
    Clock::time_point awake_at_{};
};

class Exchange {
  public:
    Exchange(int fd, const ExchangePlan& plan, std::uint64_t seed)
        : fd_(fd),
          plan_(plan),
          write_pace_(plan.pace, seed),
          read_pace_(plan.pace, seed + 1),
          hello_unsent_(plan.unsent_hello),
          buffer_(kBufferSize) {}

    Result<ExchangeCount> run() {
        while (!sent_end_ || !received_end_) {
            FSM_TRY(wait());
            if (wants_to_send() && !write_pace_.asleep_for()) {
                FSM_TRY(send_some());
            }
            if (!received_end_ && !read_pace_.asleep_for()) {
                FSM_TRY(receive_some());
            }
        }
        return count_;
    }

  private:
    bool wants_to_send() const {
        // The Hello is never delayed: the other end needs it to know what to send.
        return !sent_end_ && (hello_unsent_ > 0 || plan_.start == Start::at_once || received_end_);
    }

    Result<void> wait() {
        short events = 0;
        milliseconds time = kPatience;
        if (wants_to_send()) {
            wait_in(write_pace_, POLLOUT, events, time);
        }
        if (!received_end_) {
            wait_in(read_pace_, POLLIN, events, time);
        }
        auto waited = wait_for(fd_, events, time);
        const bool slept = !waited && time < kPatience;
        if (waited || slept) {
            return {};
        }
        return std::move(waited.error())
            .within("after " + std::to_string(count_.sent) + " bytes sent and " +
                    std::to_string(count_.received) + " received");
    }

    // Waits for the socket or for the end of the pause. The clock is read once: with two readings,
    // a direction that wakes up in between would be missed.
    static void wait_in(const Pacer& pace, short event, short& events, milliseconds& time) {
        if (const auto pause = pace.asleep_for()) {
            time = std::min(time, *pause);
        } else {
            events = static_cast<short>(events | event);
        }
    }

    Result<void> send_some() {
        const std::span<const std::byte> data = next_to_send();
        if (data.empty()) {
            sent_end_ = true;
            if (::shutdown(fd_, SHUT_WR) != 0) {
                return Error::from_errno("shutdown after " + std::to_string(count_.sent));
            }
            return {};
        }
        const ssize_t sent = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN || errno == EINTR) {
                return {};
            }
            return Error::from_errno("send at " + std::to_string(count_.sent));
        }
        if (hello_unsent_ > 0) {
            hello_unsent_ -= static_cast<std::uint64_t>(sent);
        } else {
            count_.sent += static_cast<std::uint64_t>(sent);
        }
        write_pace_.acted();
        return {};
    }

    std::span<const std::byte> next_to_send() {
        if (hello_unsent_ > 0) {
            return as_bytes(plan_.own).last(hello_unsent_);
        }
        const std::uint64_t left = plan_.own.request_size - count_.sent;
        const auto length = static_cast<std::size_t>(
            std::min<std::uint64_t>(left, left == 0 ? 0 : write_pace_.amount()));
        const std::span<std::byte> data = std::span(buffer_).first(std::min(length, kBufferSize));
        fill_pattern(plan_.own.seed, count_.sent, data);
        return data;
    }

    Result<void> receive_some() {
        const std::size_t most = std::min(read_pace_.amount(), kBufferSize);
        const ssize_t received = ::recv(fd_, buffer_.data(), most, 0);
        if (received < 0) {
            if (errno == EAGAIN || errno == EINTR) {
                return {};
            }
            return Error::from_errno("recv at " + std::to_string(count_.received));
        }
        read_pace_.acted();
        if (received == 0) {
            received_end_ = true;
            return check_end();
        }
        return check(std::span(buffer_).first(static_cast<std::size_t>(received)));
    }

    Result<void> check(std::span<const std::byte> data) {
        if (!plan_.peer) {
            data = take_hello(data);
            if (!plan_.peer) {
                return {};
            }
            if (plan_.peer->magic != kHelloMagic) {
                return Error("the peer's first bytes are not what it sends first", EBADMSG);
            }
        }
        const std::size_t wrong = first_difference(plan_.peer->seed, count_.received, data);
        if (wrong != data.size()) {
            return Error("byte " + std::to_string(count_.received + wrong) + " is wrong", EBADMSG);
        }
        count_.received += data.size();
        return {};
    }

    std::span<const std::byte> take_hello(std::span<const std::byte> data) {
        const std::size_t part = std::min(data.size(), sizeof(Hello) - hello_received_);
        std::memcpy(hello_.data() + hello_received_, data.data(), part);
        hello_received_ += part;
        if (hello_received_ == sizeof(Hello)) {
            plan_.peer.emplace();
            std::memcpy(&*plan_.peer, hello_.data(), sizeof(Hello));
        }
        return data.subspan(part);
    }

    Result<void> check_end() {
        if (!plan_.peer || count_.received != plan_.peer->request_size) {
            return Error("the stream ended at " + std::to_string(count_.received) + " of " +
                             (plan_.peer ? std::to_string(plan_.peer->request_size) : "?"),
                         ENODATA);
        }
        count_.peer = *plan_.peer;
        return {};
    }

    int fd_;
    ExchangePlan plan_;
    Pacer write_pace_;
    Pacer read_pace_;
    std::uint64_t hello_unsent_;
    std::vector<std::byte> buffer_;
    std::array<std::byte, sizeof(Hello)> hello_{};
    std::size_t hello_received_ = 0;
    ExchangeCount count_;
    bool sent_end_ = false;
    bool received_end_ = false;
};

}  // namespace

Result<ExchangeCount> run_exchange(int fd, const ExchangePlan& plan, std::uint64_t random_seed) {
    return Exchange(fd, plan, random_seed).run();
}

}  // namespace fsm::test
