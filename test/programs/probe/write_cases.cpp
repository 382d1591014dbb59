// The ways of writing.
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <array>

#include "probe/cases.h"

namespace fsm::test {

namespace {

constexpr std::size_t kMuch = 200'000;
constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kWriterLimit = 320 * kMiB;
constexpr int kBlockedAfterMs = 1000;

void finish(const Context& context, const Fd& fd) {
    ::shutdown(fd.get(), SHUT_WR);
    context.fact("the server counted", receive_until_end(fd.get()).data);
}

void send_file(const Context& context) {
    const Fd file(memfd_create("probe", MFD_CLOEXEC));
    const std::string content = pattern_text(kMuch);
    if (::write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(kMuch)) {
        context.fact("memfd", -1);
        return;
    }
    const Fd fd = context.dial("count");
    off_t offset = 0;
    long result = 1;
    while (offset < static_cast<off_t>(kMuch) && result > 0) {
        result = sendfile(fd.get(), file.get(), &offset, kMuch - static_cast<std::size_t>(offset));
    }
    context.fact("sendfile", result < 0 ? outcome(result) : std::to_string(offset));
    finish(context, fd);
}

void splice_to_socket(const Context& context) {
    const Fd fd = context.dial("count");
    int ends[2];
    if (pipe(ends) != 0) {
        context.fact("pipe", -1);
        return;
    }
    const Fd from(ends[0]);
    const Fd into(ends[1]);
    const std::string content = pattern_text(32768);
    context.fact("into the pipe", ::write(into.get(), content.data(), content.size()));
    std::size_t spliced = 0;
    while (spliced < content.size()) {
        const ssize_t part =
            splice(from.get(), nullptr, fd.get(), nullptr, content.size() - spliced, 0);
        if (part <= 0) {
            context.fact("splice", part);
            break;
        }
        spliced += static_cast<std::size_t>(part);
    }
    context.fact("spliced", std::to_string(spliced));
    finish(context, fd);
}

std::string await_completion(int fd) {
    pollfd waiting{fd, 0, 0};
    if (poll(&waiting, 1, 2000) != 1 || (waiting.revents & POLLERR) == 0) {
        return "no";
    }
    std::array<char, 256> control{};
    msghdr message{};
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (recvmsg(fd, &message, MSG_ERRQUEUE) < 0) {
        return errno_name(errno);
    }
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
         each = CMSG_NXTHDR(&message, each)) {
        const auto* error = reinterpret_cast<const sock_extended_err*>(CMSG_DATA(each));
        if (error->ee_origin == SO_EE_ORIGIN_ZEROCOPY) {
            return "yes";
        }
    }
    return "something else";
}

void zero_copy(const Context& context) {
    const Fd fd = context.dial("count");
    context.fact("SO_ZEROCOPY", set_option(fd.get(), SOL_SOCKET, SO_ZEROCOPY, 1) ? "0" : "failed");
    const std::string content = pattern_text(kMuch);
    context.fact("send", ::send(fd.get(), content.data(), content.size(), MSG_ZEROCOPY));
    context.fact("completion", await_completion(fd.get()));
    finish(context, fd);
}

void out_of_band_to_server(const Context& context) {
    const Fd fd = context.dial("expect-out-of-band");
    context.fact("send", ::send(fd.get(), "ab", 2, 0));
    pause_ms(50);
    context.fact("send MSG_OOB", ::send(fd.get(), "c", 1, MSG_OOB));
    pause_ms(50);
    context.fact("send", ::send(fd.get(), "d", 1, 0));
    pause_ms(50);
    ::shutdown(fd.get(), SHUT_WR);
    receive_until_end(fd.get());
}

void out_of_band_to_client(const Context& context) {
    const Fd fd = context.dial("send-out-of-band");
    pollfd waiting{fd.get(), POLLPRI, 0};
    context.fact("urgent", poll(&waiting, 1, 500) == 1 ? "yes" : "no");
    const Received received = receive_until_end(fd.get());
    context.fact("received", received.data);
    context.fact("end", received.end);
}

std::string bucket(std::uint64_t bytes) {
    if (bytes < kMiB) {
        return "less than 1 MiB";
    }
    if (bytes <= 64 * kMiB) {
        return "1 to 64 MiB";
    }
    return bytes < kWriterLimit ? "more than 64 MiB" : "no bound";
}

void sleeping_reader(const Context& context) {
    const Fd fd = context.dial("sleep-then-count");
    const std::string chunk = pattern_text(65536);
    std::uint64_t written = 0;
    std::string stopped_by = "the limit of the test";
    while (written < kWriterLimit) {
        const ssize_t sent =
            ::send(fd.get(), chunk.data(), chunk.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            written += static_cast<std::uint64_t>(sent);
            continue;
        }
        stopped_by = errno_name(errno);
        pollfd waiting{fd.get(), POLLOUT, 0};
        if (stopped_by != "EAGAIN" || poll(&waiting, 1, kBlockedAfterMs) == 0) {
            break;
        }
    }
    context.fact("stopped by", stopped_by);
    context.fact("taken", bucket(written));
    ::shutdown(fd.get(), SHUT_WR);
    const std::string counted = receive_until_end(fd.get()).data;
    context.fact("the server counted all", counted == std::to_string(written) ? "yes" : "no");
}

void ping_pong(const Context& context) {
    const Fd fd = context.dial("echo");
    std::size_t equal = 0;
    for (std::size_t round = 0; round < 300; ++round) {
        const std::string message = pattern_text(1 + round * 37 % 8192);
        send_whole(fd.get(), message);
        std::string answer(message.size(), ' ');
        std::size_t received = 0;
        while (received < answer.size()) {
            const ssize_t part =
                ::recv(fd.get(), answer.data() + received, answer.size() - received, 0);
            if (part <= 0) {
                context.fact("recv", part);
                return;
            }
            received += static_cast<std::size_t>(part);
        }
        equal += answer == message ? 1 : 0;
    }
    context.fact("equal answers", std::to_string(equal));
    ::shutdown(fd.get(), SHUT_WR);
    context.fact("end", receive_until_end(fd.get()).end);
}

void output_queue(const Context& context) {
    const Fd fd = context.dial("count");
    context.fact("sent", send_whole(fd.get(), pattern_text(kMuch)));
    pause_ms(500);
    int queued = 0;
    context.fact("SIOCOUTQ", ioctl(fd.get(), SIOCOUTQ, &queued));
    context.fact("not yet acknowledged", std::to_string(queued));
    finish(context, fd);
}

void gather(const Context& context) {
    const Fd fd = context.dial("count");
    std::string content = pattern_text(3000);
    std::array<iovec, 3> parts{};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        parts[i] = {content.data() + i * 1000, 1000};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    context.fact("sendmsg of three parts", sendmsg(fd.get(), &message, MSG_MORE));
    finish(context, fd);
}

}  // namespace

std::vector<Case> write_cases() {
    return {{"sendfile", send_file},
            {"splice-to-socket", splice_to_socket},
            {"zero-copy", zero_copy},
            {"out-of-band-to-server", out_of_band_to_server},
            {"out-of-band-to-client", out_of_band_to_client},
            {"sleeping-reader", sleeping_reader},
            {"ping-pong", ping_pong},
            {"output-queue", output_queue},
            {"gather", gather}};
}

}  // namespace fsm::test
