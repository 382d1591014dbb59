// The texts of problems, for matchers.
#pragma once

#include <string>
#include <vector>

#include "common/problem.h"

namespace fsm::testing {

inline std::vector<std::string> texts_of(const std::vector<Problem>& problems) {
    std::vector<std::string> texts;
    for (const Problem& problem : problems) {
        texts.push_back(problem.text);
    }
    return texts;
}

}  // namespace fsm::testing
