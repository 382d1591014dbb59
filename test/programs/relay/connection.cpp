#include "relay/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/socket.h"

namespace fsm::test {

namespace {

constexpr std::size_t kClient = 0;
constexpr std::size_t kUpstream = 1;

std::size_t other(std::size_t index) {
    return 1 - index;
}

bool would_block() {
    return errno == EAGAIN || errno == EINTR;
}

}  // namespace

Connection::Connection(ConnectionHost& host, Fd accepted, Fd connecting)
    : host_(host),
      ends_{End(*this, kClient, std::move(accepted)),
            End(*this, kUpstream, std::move(connecting))} {}

Result<void> Connection::start() {
    for (End& end : ends_) {
        FSM_TRY(set_option(end.fd_.get(), IPPROTO_TCP, TCP_NODELAY, 1));
        end.interest_ = wanted(end.index_);
        FSM_TRY(watch(end, EPOLL_CTL_ADD));
    }
    return {};
}

void Connection::handle(std::size_t index, std::uint32_t events) {
    if (over_) {
        return;
    }
    if ((events & EPOLLERR) != 0) {
        reset_both();
        return;
    }
    if (!connected_) {
        if (index == kUpstream) {
            finish_connect(events);
        }
        return;
    }
    if ((events & EPOLLOUT) != 0 && flows_[other(index)].waits()) {
        flush_to(index);
    }
    // EPOLLHUP is reported without a request when both directions are closed; it matters only while
    // the relay still reads.
    if (!over_ && (events & (EPOLLIN | EPOLLHUP)) != 0 && (wanted(index) & EPOLLIN) != 0) {
        read_from(index);
    }
    if (!over_) {
        update_interest();
    }
}

void Connection::finish_connect(std::uint32_t events) {
    if ((events & EPOLLOUT) == 0) {
        return;
    }
    const auto error = get_option(ends_[kUpstream].fd_.get(), SOL_SOCKET, SO_ERROR);
    if (!error || *error != 0) {
        reset_both();
        return;
    }
    connected_ = true;
    // The client may already have sent data: try once without epoll.
    read_from(kClient);
    if (!over_) {
        update_interest();
    }
}

void Connection::read_from(std::size_t index) {
    std::vector<std::byte>& scratch = host_.scratch();
    const ssize_t length = ::recv(ends_[index].fd_.get(), scratch.data(), scratch.size(), 0);
    if (length < 0) {
        if (!would_block()) {
            reset_both();
        }
        return;
    }
    if (length == 0) {
        flows_[index].finished = true;
        pass_on_end(index);
        return;
    }
    forward(index, static_cast<std::size_t>(length));
}

void Connection::forward(std::size_t index, std::size_t length) {
    const std::vector<std::byte>& scratch = host_.scratch();
    ssize_t taken = ::send(ends_[other(index)].fd_.get(), scratch.data(), length, MSG_NOSIGNAL);
    if (taken < 0) {
        if (!would_block()) {
            reset_both();
            return;
        }
        taken = 0;
    }
    Flow& flow = flows_[index];
    flow.pending.assign(scratch.begin() + taken, scratch.begin() + static_cast<ssize_t>(length));
    flow.sent = 0;
}

void Connection::flush_to(std::size_t index) {
    Flow& flow = flows_[other(index)];
    const ssize_t taken = ::send(ends_[index].fd_.get(), flow.pending.data() + flow.sent,
                                 flow.pending.size() - flow.sent, MSG_NOSIGNAL);
    if (taken < 0) {
        if (!would_block()) {
            reset_both();
        }
        return;
    }
    flow.sent += static_cast<std::size_t>(taken);
    if (!flow.waits()) {
        flow.pending = {};
        flow.sent = 0;
    }
}

void Connection::pass_on_end(std::size_t index) {
    Flow& flow = flows_[index];
    // While data is pending nothing is read, so the end is detected only after the last byte was
    // sent.
    if (::shutdown(ends_[other(index)].fd_.get(), SHUT_WR) != 0) {
        reset_both();
        return;
    }
    flow.passed_on = true;
    if (flows_[other(index)].passed_on) {
        close_both();
    }
}

std::uint32_t Connection::wanted(std::size_t index) const {
    std::uint32_t events = 0;
    if (!connected_) {
        events = index == kUpstream ? std::uint32_t{EPOLLOUT} : 0U;
    } else {
        if (!flows_[index].finished && !flows_[index].waits()) {
            events |= EPOLLIN;
        }
        if (flows_[other(index)].waits()) {
            events |= EPOLLOUT;
        }
    }
    // Errors and hang-ups are always reported, and repeatedly unless edge-triggered.
    return events == 0 ? static_cast<std::uint32_t>(EPOLLET) : events;
}

void Connection::update_interest() {
    for (End& end : ends_) {
        const std::uint32_t events = wanted(end.index_);
        if (events == end.interest_) {
            continue;
        }
        end.interest_ = events;
        if (!watch(end, EPOLL_CTL_MOD)) {
            reset_both();
            return;
        }
    }
}

Result<void> Connection::watch(End& end, int operation) {
    epoll_event event{};
    event.events = end.interest_;
    event.data.ptr = static_cast<EventHandler*>(&end);
    if (epoll_ctl(host_.epoll_fd(), operation, end.fd_.get(), &event) != 0) {
        return Error::from_errno("epoll_ctl");
    }
    return {};
}

void Connection::reset_both() {
    for (End& end : ends_) {
        forget(end);
        reset_and_close(std::move(end.fd_));
    }
    over_ = true;
    host_.retire(*this);
}

void Connection::close_both() {
    for (End& end : ends_) {
        forget(end);
        end.fd_.reset();
    }
    over_ = true;
    host_.retire(*this);
}

void Connection::forget(const End& end) {
    // close() is not enough: a successor that is being started has a copy of the descriptor, so
    // epoll would still report events for an End that no longer exists.
    epoll_ctl(host_.epoll_fd(), EPOLL_CTL_DEL, end.fd_.get(), nullptr);
}

}  // namespace fsm::test
