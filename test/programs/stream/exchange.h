// One checked stream in each direction over one connection, with pauses, sizes of writes and reads
// and the order of the half-closes chosen at random.
#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "common/result.h"
#include "stream/protocol.h"

namespace fsm::test {

struct ExchangePlan {
    Hello own;                       // sent first; says what will be sent
    std::optional<Hello> peer;       // absent: not yet read
    Pace pace = Pace::fast;          // of reading and of writing
    Start start = Start::at_once;    // of sending
    std::uint64_t unsent_hello = 0;  // bytes of `own` that are to be sent: all or none
};

struct ExchangeCount {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    // The peer's Hello; the client only needs to know that it arrived.
    Hello peer;
};

// Runs both directions to their ends. An error contains the position of the first wrong byte, or
// the failure. The socket is not closed.
Result<ExchangeCount> run_exchange(int fd, const ExchangePlan& plan, std::uint64_t random_seed);

}  // namespace fsm::test
