// PodProblem: a setting or request of one pod that could not be applied.
#pragma once

#include <cstdint>
#include <string>

namespace fsm {

struct PodProblem {
    enum class Kind : std::uint8_t {
        annotation,  // a value of an annotation is invalid; the rest applies
        refusal,  // the pod runs without interception, because it cannot be intercepted correctly
        other,    // of its other settings, its addresses or its network namespace
    };

    Kind kind = Kind::other;
    std::string text;  // a sentence that names the subject, and what to do

    bool operator==(const PodProblem&) const = default;
};

}  // namespace fsm
