#include "interceptor/sync/problem_log.h"

#include <algorithm>

#include "interceptor/log/log.h"

namespace fsm {

namespace {

constexpr std::size_t kKept = 64;

}  // namespace

void ProblemLog::add(const std::string& problem) {
    const std::lock_guard guard(mutex_);
    if (std::find(recent_.begin(), recent_.end(), problem) != recent_.end()) {
        return;
    }
    log::warn("{}", problem);
    recent_.push_back(problem);
    if (recent_.size() > kKept) {
        recent_.pop_front();
    }
}

std::vector<std::string> ProblemLog::recent() const {
    const std::lock_guard guard(mutex_);
    return {recent_.begin(), recent_.end()};
}

}  // namespace fsm
