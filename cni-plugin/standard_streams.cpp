#include "cni-plugin/standard_streams.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace fsm::plugin {

namespace {

using std::chrono::milliseconds;

// Regular files and closed pipes count as readable.
Result<void> wait_until_readable(int fd, Deadline deadline) {
    while (true) {
        const auto left =
            std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
        pollfd entry{fd, POLLIN, 0};
        const int ready =
            left > milliseconds::zero() ? poll(&entry, 1, static_cast<int>(left.count())) : 0;
        if (ready > 0) {
            return {};
        }
        if (ready == 0) {
            return Error("stdin has no end: the time limit has passed", ETIMEDOUT);
        }
        if (errno != EINTR) {
            return Error::from_errno("wait for stdin");
        }
    }
}

}  // namespace

Result<std::string> read_until_end(int fd, Deadline deadline) {
    std::string text;
    std::array<char, 16384> buffer;
    while (true) {
        FSM_TRY(wait_until_readable(fd, deadline));
        const ssize_t count = ::read(fd, buffer.data(), buffer.size());
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (count < 0) {
            return Error::from_errno("read stdin");
        }
        if (count == 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(count));
        if (text.size() > kMaxStdin) {
            return Error("stdin has more than " + std::to_string(kMaxStdin) + " bytes", EMSGSIZE);
        }
    }
}

Result<void> write_to(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            return Error::from_errno("write");
        }
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

}  // namespace fsm::plugin
