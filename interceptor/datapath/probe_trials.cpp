#include "interceptor/datapath/probe_trials.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "common/file.h"

namespace fsm {
namespace {

using namespace std::chrono_literals;

// Redirected data is queued before send() returns. Asynchronous effects (TCP over loopback, a
// thread that is about to block) are awaited by their signs, because a booting node is busy; a
// fixed time is used only for what must not happen.
constexpr auto kMoment = 20ms;
// Longer than anything that works takes on a busy node, so that the probe also ends if something
// does not work.
constexpr int kPatienceMilliseconds = 2000;
constexpr std::size_t kSmall = 100;
constexpr std::size_t kLarge = 128U << 10;

Result<void> send_all(int socket, std::size_t size) {
    const std::string data(size, 'x');
    std::size_t sent = 0;
    while (sent < size) {
        const ssize_t count = send(socket, data.data() + sent, size - sent, MSG_NOSIGNAL);
        if (count <= 0) {
            return Error::from_errno("send on a probe connection");
        }
        sent += static_cast<std::size_t>(count);
    }
    return {};
}

bool readable(int socket, int milliseconds) {
    pollfd entry{socket, POLLIN, 0};
    return poll(&entry, 1, milliseconds) == 1;
}

// Reads until `size` bytes arrived or patience ends.
std::size_t receive(int socket, std::size_t size) {
    std::string buffer(size, '\0');
    std::size_t received = 0;
    while (received < size && readable(socket, kPatienceMilliseconds)) {
        const ssize_t count = recv(socket, buffer.data() + received, size - received, MSG_DONTWAIT);
        if (count <= 0) {
            break;
        }
        received += static_cast<std::size_t>(count);
    }
    return received;
}

void fill_send_buffer(int socket) {
    const std::string data(kLarge, 'x');
    while (send(socket, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
}

bool within_patience(const std::function<bool()>& question) {
    for (int waited = 0; waited < kPatienceMilliseconds; ++waited) {
        if (question()) {
            return true;
        }
        std::this_thread::sleep_for(1ms);
    }
    return question();
}

// Whether the other end has acknowledged all TCP data.
bool all_delivered(int socket) {
    int waiting = 0;
    return ioctl(socket, SIOCOUTQ, &waiting) != 0 || waiting == 0;
}

// Reads all that `sender` has sent to `socket`.
void drain(int socket, int sender) {
    std::string buffer(kLarge, '\0');
    (void)within_patience([&] {
        while (recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
        }
        return all_delivered(sender) && !readable(socket, 0);
    });
}

std::uint64_t cookie_of(int socket) {
    std::uint64_t cookie = 0;
    socklen_t length = sizeof(cookie);
    getsockopt(socket, SOL_SOCKET, SO_COOKIE, &cookie, &length);
    return cookie;
}

void set_option(int socket, int option, int value) {
    setsockopt(socket, SOL_SOCKET, option, &value, sizeof(value));
}

std::string bytes(std::size_t count) {
    return std::to_string(count) + " bytes";
}

// The writer can determine which socket a redirected message reached, and what that socket has
// read.
Result<ProbeFailure> order_is_visible(ProbeLab& lab) {
    FSM_ASSIGN(const ProbeConnection connection, lab.connect());
    const std::uint64_t cookie = cookie_of(connection.reader.get());
    lab.choose(ProbePath::redirected);
    FSM_TRY(send_all(connection.writer.get(), kSmall));
    if (receive(connection.reader.get(), kSmall) != kSmall) {
        return ProbeFailure("a redirected message did not arrive");
    }
    if (!lab.seen().found || lab.seen().failed_reads != 0) {
        return ProbeFailure("the reader's socket cannot be read by the program (kernel lockdown?)");
    }
    if (lab.seen().cookie != cookie) {
        return ProbeFailure("the redirected message does not name the reader's socket");
    }
    lab.choose(ProbePath::tcp);
    const std::uint32_t before = lab.seen().copied_seq;
    FSM_TRY(send_all(connection.writer.get(), kSmall));
    FSM_TRY(send_all(connection.writer.get(), 1));
    if (lab.seen().copied_seq != before) {
        return ProbeFailure("copied_seq moved though the reader had read nothing by TCP");
    }
    if (receive(connection.reader.get(), kSmall + 1) != kSmall + 1) {
        return ProbeFailure("data by TCP did not arrive at a socket in a socket map");
    }
    FSM_TRY(send_all(connection.writer.get(), 1));
    if (lab.seen().copied_seq - before != kSmall + 1) {
        return ProbeFailure("copied_seq does not follow what the reader reads");
    }
    return ProbeFailure();
}

// The writer can determine how much redirected data its reader has not read.
Result<ProbeFailure> unread_bytes_are_counted(ProbeLab& lab) {
    FSM_ASSIGN(const ProbeConnection connection, lab.connect());
    lab.choose(ProbePath::redirected);
    FSM_TRY(send_all(connection.writer.get(), kLarge));
    FSM_TRY(send_all(connection.writer.get(), 1));
    const std::uint32_t full = lab.seen().unread;
    if (full < kLarge) {
        return ProbeFailure("rmem_alloc said " + bytes(full) + " when " + bytes(kLarge) +
                            " were unread (6.13 and stable kernels count them)");
    }
    if (receive(connection.reader.get(), kLarge + 1) != kLarge + 1) {
        return ProbeFailure("redirected data did not arrive whole");
    }
    FSM_TRY(send_all(connection.writer.get(), 1));
    if (lab.seen().unread >= kSmall) {
        return ProbeFailure("rmem_alloc said " + bytes(lab.seen().unread) +
                            " after everything had been read");
    }
    return ProbeFailure();
}

Result<ProbeFailure> fionread(ProbeLab& lab, ProbePath path) {
    FSM_ASSIGN(const ProbeConnection connection, lab.connect());
    lab.choose(path);
    FSM_TRY(send_all(connection.writer.get(), kSmall));
    (void)within_patience([&] { return all_delivered(connection.writer.get()); });
    int waiting = 0;
    if (ioctl(connection.reader.get(), FIONREAD, &waiting) != 0) {
        return ProbeFailure(std::string("FIONREAD failed: ") + std::strerror(errno));
    }
    if (waiting != static_cast<int>(kSmall)) {
        return ProbeFailure("FIONREAD said " + std::to_string(waiting) + " of " + bytes(kSmall));
    }
    return ProbeFailure();
}

Result<ProbeFailure> splice_reads_redirected(ProbeLab& lab) {
    FSM_ASSIGN(const ProbeConnection connection, lab.connect());
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        return Error::from_errno("make a pipe for the kernel probe");
    }
    const Fd out(ends[0]);
    const Fd in(ends[1]);
    lab.choose(ProbePath::redirected);
    FSM_TRY(send_all(connection.writer.get(), kSmall));
    // Otherwise it would wait for ever if redirected data is invisible to it.
    if (fcntl(connection.reader.get(), F_SETFL, O_NONBLOCK) != 0) {
        return Error::from_errno("make a probe socket non-blocking");
    }
    const ssize_t moved =
        splice(connection.reader.get(), nullptr, in.get(), nullptr, kSmall, SPLICE_F_NONBLOCK);
    if (moved != static_cast<ssize_t>(kSmall)) {
        return ProbeFailure("splice moved " +
                            bytes(moved > 0 ? static_cast<std::size_t>(moved) : 0) + " of " +
                            std::to_string(kSmall));
    }
    return ProbeFailure();
}

// The state of a thread of this process, from /proc.
std::string thread_status(pid_t thread) {
    constexpr std::size_t kLimit = 65536;
    const auto text = read_file("/proc/self/task/" + std::to_string(thread) + "/status", kLimit);
    return text ? *text : "";
}

std::string status_value(const std::string& status, const std::string& name) {
    const std::size_t at = status.find("\n" + name + ":\t");
    if (at == std::string::npos) {
        return "";
    }
    const std::size_t begin = at + name.size() + 3;
    return status.substr(begin, status.find('\n', begin) - begin);
}

// A recv() on a separate thread: its result, once it has returned.
class BlockedReader {
  public:
    explicit BlockedReader(int socket) : socket_(socket), thread_([this] { read(); }) {
        (void)within_patience([this] { return done_ || sleeps(); });
    }
    ~BlockedReader() {
        shutdown(socket_, SHUT_RDWR);
        thread_.join();
    }
    BlockedReader(const BlockedReader&) = delete;
    BlockedReader& operator=(const BlockedReader&) = delete;

    bool is_done_in_time() const {
        return within_patience([this] { return done_.load(); });
    }
    // Whether it returns when it is woken, instead of sleeping on. True: it has returned.
    bool answers_to(const std::function<void()>& waking) const {
        const std::string before = times_slept();
        waking();
        (void)within_patience([&] { return done_ || (sleeps() && times_slept() != before); });
        return done_;
    }
    // Only once done().
    ssize_t count() const { return count_; }
    int error() const { return error_; }

  private:
    bool sleeps() const {
        return thread_id_ != 0 && status_value(thread_status(thread_id_), "State").starts_with("S");
    }
    std::string times_slept() const {
        return status_value(thread_status(thread_id_), "voluntary_ctxt_switches");
    }

    void read() {
        std::array<char, kSmall> buffer{};
        thread_id_ = gettid();  // from here on it sleeps in recv() alone
        count_ = recv(socket_, buffer.data(), buffer.size(), 0);
        error_ = count_ < 0 ? errno : 0;
        done_ = true;
    }

    int socket_;
    ssize_t count_ = 0;
    int error_ = 0;
    std::atomic<bool> done_ = false;
    std::atomic<pid_t> thread_id_ = 0;
    std::thread thread_;
};

Result<ProbeFailure> blocking_read_beside_writer(ProbeLab& lab) {
    FSM_ASSIGN(const ProbeConnection connection, lab.connect());
    const BlockedReader reader(connection.reader.get());
    // The reader's thread is woken when there is room to write again: cause that.
    fill_send_buffer(connection.reader.get());
    if (reader.answers_to([&] { drain(connection.writer.get(), connection.reader.get()); })) {
        return ProbeFailure(std::string("a blocking read ended while another thread wrote: ") +
                            std::strerror(reader.error()));
    }
    lab.choose(ProbePath::redirected);
    FSM_TRY(send_all(connection.writer.get(), 1));
    if (!reader.is_done_in_time() || reader.count() != 1) {
        return ProbeFailure("a blocking read did not return the redirected byte");
    }
    return ProbeFailure();
}

Result<ProbeFailure> low_water_mark(ProbeLab& lab) {
    FSM_ASSIGN(const ProbeConnection connection, lab.connect());
    set_option(connection.reader.get(), SO_RCVLOWAT, kSmall);
    lab.choose(ProbePath::redirected);
    FSM_TRY(send_all(connection.writer.get(), kSmall / 2));
    if (readable(connection.reader.get(), static_cast<int>(kMoment.count()))) {
        return ProbeFailure("readable with half of SO_RCVLOWAT");
    }
    FSM_TRY(send_all(connection.writer.get(), kSmall / 2));
    if (!readable(connection.reader.get(), kPatienceMilliseconds)) {
        return ProbeFailure("not readable with all of SO_RCVLOWAT");
    }
    return ProbeFailure();
}

// epoll(7) promises to edge-triggered readers that a read that came back short has emptied the
// socket.
Result<ProbeFailure> short_read_empties(ProbeLab& lab) {
    FSM_ASSIGN(const ProbeConnection connection, lab.connect());
    lab.choose(ProbePath::redirected);
    FSM_TRY(send_all(connection.writer.get(), kSmall));
    lab.choose(ProbePath::tcp);
    FSM_TRY(send_all(connection.writer.get(), kSmall));
    (void)within_patience([&] { return all_delivered(connection.writer.get()); });
    std::array<char, 2 * kSmall + 1> buffer{};
    const ssize_t count = recv(connection.reader.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count != static_cast<ssize_t>(2 * kSmall)) {
        return ProbeFailure("a read of " + bytes(buffer.size()) + " returned " +
                            std::to_string(count) + " of " + std::to_string(2 * kSmall) +
                            " where data by TCP follows redirected data");
    }
    return ProbeFailure();
}

Result<ProbeFailure> truncating_read(ProbeLab& lab) {
    FSM_ASSIGN(const ProbeConnection connection, lab.connect());
    lab.choose(ProbePath::redirected);
    FSM_TRY(send_all(connection.writer.get(), kSmall));
    // TCP discards the data and needs no buffer for it.
    const ssize_t count = recv(connection.reader.get(), nullptr, kSmall, MSG_TRUNC | MSG_DONTWAIT);
    if (count != static_cast<ssize_t>(kSmall)) {
        return ProbeFailure("recv with MSG_TRUNC answered " + std::to_string(count) +
                            (count < 0 ? std::string(" (") + std::strerror(errno) + ")" : ""));
    }
    return ProbeFailure();
}

Result<ProbeFailure> reset_is_seen(ProbeLab& lab) {
    FSM_ASSIGN(ProbeConnection connection, lab.connect());
    const BlockedReader reader(connection.reader.get());
    const linger abort{1, 0};
    setsockopt(connection.writer.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    connection.writer.reset();
    if (!reader.is_done_in_time()) {
        return ProbeFailure("a blocking read did not end at a reset");
    }
    if (reader.error() != ECONNRESET) {
        return ProbeFailure(
            std::string("a reset was seen as: ") +
            (reader.count() == 0 ? "end of stream" : std::strerror(reader.error())));
    }
    return ProbeFailure();
}

}  // namespace

std::vector<NamedTrial> trials() {
    return {
        {"order of redirected data", NeededFor::sidecar, order_is_visible},
        {"flow control of redirected data", NeededFor::sidecar, unread_bytes_are_counted},
        {"FIONREAD of TCP data", NeededFor::full,
         [](ProbeLab& lab) { return fionread(lab, ProbePath::tcp); }},
        {"FIONREAD of redirected data", NeededFor::full,
         [](ProbeLab& lab) { return fionread(lab, ProbePath::redirected); }},
        {"splice of redirected data", NeededFor::full, splice_reads_redirected},
        {"blocking read beside a writing thread", NeededFor::full, blocking_read_beside_writer},
        {"SO_RCVLOWAT", NeededFor::full, low_water_mark},
        {"short read empties the socket", NeededFor::full, short_read_empties},
        {"MSG_TRUNC", NeededFor::full, truncating_read},
        {"reset", NeededFor::full, reset_is_seen},
    };
}

}  // namespace fsm
