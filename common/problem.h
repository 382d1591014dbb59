// Problem: something that is wrong at this moment, as the component that sees it says it.
#pragma once

#include <string>

namespace fsm {

struct Problem {
    // What it is about, within its component: "connect4", a file's path. The same for as long as
    // the problem lasts, while the text may change; one word or a path, no sentence.
    std::string key;
    // What is wrong, why, and what to do about it.
    std::string text;

    bool operator==(const Problem&) const = default;
};

}  // namespace fsm
