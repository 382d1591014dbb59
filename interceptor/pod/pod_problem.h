// PodProblem: something about one pod that could not be used or done as its owner asked for.
#pragma once

#include <cstdint>
#include <string>

namespace fsm {

struct PodProblem {
    enum class Kind : std::uint8_t {
        annotation,  // an annotation asks for what cannot be used; the rest applies
        refusal,     // it runs without interception, because it cannot be intercepted rightly
        other,       // of its other settings, its addresses or its network namespace
    };

    Kind kind = Kind::other;
    std::string text;  // a sentence that names what it is about, and what to do

    bool operator==(const PodProblem&) const = default;
};

}  // namespace fsm
