// A worker: listeners, an epoll instance and the connections that it accepted. One thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "relay/config.h"
#include "relay/connection.h"
#include "relay/listeners.h"
#include "relay/report.h"

namespace fsm::test {

class Worker : public ConnectionHost {
  public:
    // `drain_signal` is an eventfd: when it becomes readable, the worker leaves new connections to
    // its successor and ends with its last connection.
    Worker(const Config& config, const Reporter& reporter, ListenerSet listeners, int drain_signal);
    ~Worker() override;

    // Returns when it has drained, or with an error that makes it unusable.
    Result<void> run();

    int epoll_fd() const override { return epoll_.get(); }
    std::vector<std::byte>& scratch() override { return scratch_; }
    void retire(Connection& connection) override;

  private:
    class Acceptor;
    class DrainSignal;
    using Clock = std::chrono::steady_clock;

    Result<void> set_up();
    Result<void> watch(int fd, EventHandler& handler);
    void accept_one(const Listener& listener, Fd accepted, const Endpoint& from);
    void begin_drain();
    void end_drain();
    int wait_time() const;  // milliseconds, -1: no limit
    bool is_done() const { return drained_ && connections_.empty(); }

    const Config& config_;
    const Reporter& reporter_;
    Fd epoll_;
    std::vector<std::byte> scratch_;
    std::unique_ptr<DrainSignal> drain_signal_;
    std::vector<std::unique_ptr<Acceptor>> acceptors_;
    std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
    std::vector<std::unique_ptr<Connection>> retired_;
    std::optional<Clock::time_point> drain_until_;
    bool drained_ = false;
};

}  // namespace fsm::test
