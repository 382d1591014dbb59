// One relayed connection: two sockets and the data in transit between them.
//
// Reads and writes never block. Each flow holds at most one buffer of data: until the receiving
// socket accepts it, the sending one is not read. The end of a flow is passed on as a half-close
// after its last byte; a reset of one socket resets the other.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/fd.h"
#include "common/result.h"

namespace fsm::test {

// The base of everything that is registered with a worker's epoll instance.
class EventHandler {
  public:
    EventHandler() = default;
    EventHandler(const EventHandler&) = delete;
    EventHandler& operator=(const EventHandler&) = delete;
    virtual ~EventHandler() = default;
    virtual void handle(std::uint32_t events) = 0;
};

class Connection;

// The worker's services for a connection. Used from the worker's thread only.
class ConnectionHost {
  public:
    virtual ~ConnectionHost() = default;
    virtual int epoll_fd() const = 0;
    virtual std::vector<std::byte>& scratch() = 0;
    // Ends the connection; it is destroyed after the current events have been handled.
    virtual void retire(Connection& connection) = 0;
};

class Connection {
  public:
    // `connecting` has a connect() in progress.
    Connection(ConnectionHost& host, Fd accepted, Fd connecting);

    Result<void> start();

  private:
    class End : public EventHandler {
      public:
        End(Connection& connection, std::size_t index, Fd fd)
            : connection_(connection), index_(index), fd_(std::move(fd)) {}
        void handle(std::uint32_t events) override { connection_.handle(index_, events); }

        Connection& connection_;
        std::size_t index_;
        Fd fd_;
        std::uint32_t interest_ = 0;
    };

    // The flow with index i goes from ends_[i] to the other end.
    struct Flow {
        std::vector<std::byte> pending;
        std::size_t sent = 0;    // bytes of `pending`
        bool finished = false;   // the end has been seen
        bool passed_on = false;  // and half-closed on the other side

        bool waits() const { return sent < pending.size(); }
    };

    void handle(std::size_t index, std::uint32_t events);
    void finish_connect(std::uint32_t events);
    void read_from(std::size_t index);
    void forward(std::size_t index, std::size_t length);
    void flush_to(std::size_t index);
    void pass_on_end(std::size_t index);
    std::uint32_t wanted(std::size_t index) const;
    void update_interest();
    Result<void> watch(End& end, int operation);
    void forget(const End& end);
    void reset_both();
    void close_both();

    ConnectionHost& host_;
    std::array<End, 2> ends_;
    std::array<Flow, 2> flows_;
    bool connected_ = false;
    bool over_ = false;
};

}  // namespace fsm::test
