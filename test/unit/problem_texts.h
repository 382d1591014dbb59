// The texts of problems, for matchers.
#pragma once

#include <string>
#include <vector>

namespace fsm::testing {

// Of a Problem or a PodProblem.
template <typename AnyProblem>
std::vector<std::string> texts_of(const std::vector<AnyProblem>& problems) {
    std::vector<std::string> texts;
    for (const AnyProblem& problem : problems) {
        texts.push_back(problem.text);
    }
    return texts;
}

}  // namespace fsm::testing
