// What the fuzzers share: how a violated property ends the run, and properties that many have.
#pragma once

#include <cstdlib>
#include <string_view>

namespace fsm::fuzz {

inline void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

// Messages go to logs, terminals and JSON.
inline void require_printable(std::string_view text) {
    for (const char character : text) {
        require(character >= ' ' && character <= '~');
    }
}

}  // namespace fsm::fuzz
