#include "stream/protocol.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace fsm::test {

namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

// The finaliser of a counter-based generator: adjacent positions give unrelated words.
std::uint64_t pattern_word(std::uint64_t seed, std::uint64_t index) {
    std::uint64_t word = seed + index * 0x9e3779b97f4a7c15ULL;
    word = (word ^ (word >> 32U)) * 0xd6e8feb86659fd93ULL;
    word = (word ^ (word >> 32U)) * 0xd6e8feb86659fd93ULL;
    return word ^ (word >> 32U);
}

// Calls visit(position in the buffer, bytes of the word that fall into it).
template <typename Visit>
void for_each_word(std::uint64_t seed, std::uint64_t offset, std::size_t length, Visit visit) {
    std::size_t position = 0;
    while (position < length) {
        const std::uint64_t at = offset + position;
        const auto bytes =
            std::bit_cast<std::array<std::byte, kWord>>(pattern_word(seed, at / kWord));
        const std::size_t skip = at % kWord;
        const std::size_t count = std::min(kWord - skip, length - position);
        if (!visit(position, std::span(bytes).subspan(skip, count))) {
            return;
        }
        position += count;
    }
}

}  // namespace

std::span<const std::byte> as_bytes(const Hello& hello) {
    return std::as_bytes(std::span(&hello, 1));
}

void fill_pattern(std::uint64_t seed, std::uint64_t offset, std::span<std::byte> into) {
    for_each_word(seed, offset, into.size(), [&](std::size_t position, auto bytes) {
        std::memcpy(into.data() + position, bytes.data(), bytes.size());
        return true;
    });
}

std::size_t first_difference(std::uint64_t seed, std::uint64_t offset,
                             std::span<const std::byte> data) {
    std::size_t found = data.size();
    for_each_word(seed, offset, data.size(), [&](std::size_t position, auto bytes) {
        if (std::memcmp(data.data() + position, bytes.data(), bytes.size()) == 0) {
            return true;
        }
        std::size_t index = 0;
        while (data[position + index] == bytes[index]) {
            ++index;
        }
        found = position + index;
        return false;
    });
    return found;
}

Result<void> wait_for(int fd, short events, std::chrono::milliseconds patience) {
    pollfd waiting{fd, events, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(patience.count()));
    if (ready < 0 && errno != EINTR) {
        return Error::from_errno("poll");
    }
    if (ready == 0) {
        return Error::from_errno("no progress", ETIMEDOUT);
    }
    return {};
}

Result<Fd> connect_to(const Endpoint& target, std::chrono::milliseconds patience) {
    FSM_ASSIGN(Fd fd, tcp_socket(target.family(), Blocking::no));
    FSM_TRY(set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1));
    if (::connect(fd.get(), target.raw(), target.length()) == 0) {
        return fd;
    }
    if (errno != EINPROGRESS) {
        return Error::from_errno("connect");
    }
    FSM_TRY(wait_for(fd.get(), POLLOUT, patience));
    FSM_ASSIGN(const int error, get_option(fd.get(), SOL_SOCKET, SO_ERROR));
    if (error != 0) {
        return Error::from_errno("connect", error);
    }
    return fd;
}

Result<void> send_all(int fd, std::span<const std::byte> data) {
    while (!data.empty()) {
        const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            data = data.subspan(static_cast<std::size_t>(sent));
        } else if (errno != EAGAIN && errno != EINTR) {
            return Error::from_errno("send");
        } else {
            FSM_TRY(wait_for(fd, POLLOUT, kPatience));
        }
    }
    return {};
}

Result<void> receive_all(int fd, std::span<std::byte> into) {
    while (!into.empty()) {
        const ssize_t received = ::recv(fd, into.data(), into.size(), 0);
        if (received > 0) {
            into = into.subspan(static_cast<std::size_t>(received));
        } else if (received == 0) {
            return Error("the stream ended early", ENODATA);
        } else if (errno != EAGAIN && errno != EINTR) {
            return Error::from_errno("recv");
        } else {
            FSM_TRY(wait_for(fd, POLLIN, kPatience));
        }
    }
    return {};
}

Result<std::string> receive_to_end(int fd) {
    std::string text;
    while (true) {
        std::array<char, 4096> buffer{};
        const ssize_t received = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (received > 0) {
            text.append(buffer.data(), static_cast<std::size_t>(received));
        } else if (received == 0) {
            return text;
        } else if (errno != EAGAIN && errno != EINTR) {
            return Error::from_errno("recv");
        } else {
            FSM_TRY(wait_for(fd, POLLIN, kPatience));
        }
    }
}

std::uint64_t random_size(std::mt19937_64& random, std::uint64_t maximum) {
    constexpr unsigned kOneInEmpty = 20;
    if (maximum == 0 || random() % kOneInEmpty == 0) {
        return 0;
    }
    std::uniform_real_distribution<double> exponent(0.0, std::log(static_cast<double>(maximum)));
    return static_cast<std::uint64_t>(std::exp(exponent(random)));
}

std::string to_json(const std::map<std::string, std::uint64_t>& counts) {
    std::string text = "{";
    for (const auto& [name, count] : counts) {
        text += (text.size() > 1 ? ", \"" : "\"") + name + "\": " + std::to_string(count);
    }
    return text + "}";
}

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace fsm::test
