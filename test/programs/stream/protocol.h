// The protocol between client and server of the stream tool, and helpers for every mode. Both ends
// run on one machine: numbers are in host byte order.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "net/socket.h"

namespace fsm::test {

constexpr std::uint32_t kHelloMagic = 0x46534d21;

enum class Request : std::uint32_t {
    load = 1,        // requests of `request_size`, each answered by `response_size` bytes
    bulk_down = 2,   // the server writes `response_size` at a time until the client closes
    bulk_up = 3,     // the client writes until it half-closes; the answer is a count (u64)
    integrity = 4,   // both send a checked stream
    never_read = 5,  // the server does not read until it is woken
    verdict = 6,     // the answer is the server's finding about stream `id`, as text
    wake = 7,        // wakes the never_read server of stream `id`
};

enum class Pace : std::uint32_t { fast, slow, sleeping };
enum class Start : std::uint32_t { at_once, after_peer_ended };

// The first bytes of a client, and of a server that sends a checked stream.
struct Hello {
    std::uint32_t magic = kHelloMagic;
    Request request = Request::load;
    std::uint64_t id = 0;
    std::uint64_t request_size = 0;   // bytes that the sender of this will send after it
    std::uint64_t response_size = 0;  // bytes that the server must send
    std::uint64_t seed = 0;           // of the sender's stream
    Pace server_pace = Pace::fast;
    Start server_start = Start::at_once;
};
static_assert(sizeof(Hello) == 48);

std::span<const std::byte> as_bytes(const Hello& hello);

// The stream of a seed: each byte depends on its position, so that lost, duplicated and moved bytes
// are all detected.
void fill_pattern(std::uint64_t seed, std::uint64_t offset, std::span<std::byte> into);
// The index of the first byte that is wrong, or `data.size()`.
std::size_t first_difference(std::uint64_t seed, std::uint64_t offset,
                             std::span<const std::byte> data);

// Sockets are non-blocking throughout; these wait with poll(). ETIMEDOUT after `patience`.
using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{60};
Result<void> wait_for(int fd, short events, std::chrono::milliseconds patience);
Result<Fd> connect_to(const Endpoint& target, std::chrono::milliseconds patience);
Result<void> send_all(int fd, std::span<const std::byte> data);
Result<void> receive_all(int fd, std::span<std::byte> into);
Result<std::string> receive_to_end(int fd);

// Mostly small, sometimes large, occasionally zero: uniform in the logarithm.
std::uint64_t random_size(std::mt19937_64& random, std::uint64_t maximum);

// {"ECONNREFUSED": 3}
std::string to_json(const std::map<std::string, std::uint64_t>& counts);

double seconds_since(Clock::time_point start);

}  // namespace fsm::test
