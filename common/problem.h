// Problem: something that is wrong now, as reported by the component that detected it.
#pragma once

#include <string>

namespace fsm {

struct Problem {
    // The subject within the component: "connect4", a file's path. It stays the same for as long as
    // the problem lasts, while the text may change; one word or a path, not a sentence.
    std::string key;
    // What is wrong, why, and what to do about it.
    std::string text;

    bool operator==(const Problem&) const = default;
};

}  // namespace fsm
