#include "interceptor/datapath/pod_ids.h"

#include <algorithm>

namespace fsm {

void PodIds::adopt(std::uint32_t id) {
    const std::lock_guard guard(mutex_);
    in_use_.insert(id);
    next_ = std::max(next_, id + 1);
}

std::uint32_t PodIds::reserve() {
    const std::lock_guard guard(mutex_);
    while (next_ == 0 || in_use_.contains(next_)) {
        ++next_;
    }
    in_use_.insert(next_);
    return next_++;
}

void PodIds::retire(std::uint32_t id) {
    const std::lock_guard guard(mutex_);
    in_use_.insert(id);
    retired_.insert(id);
}

std::set<std::uint32_t> PodIds::retired() const {
    const std::lock_guard guard(mutex_);
    return retired_;
}

void PodIds::release(const std::set<std::uint32_t>& ids) {
    const std::lock_guard guard(mutex_);
    for (const std::uint32_t id : ids) {
        in_use_.erase(id);
        retired_.erase(id);
    }
}

}  // namespace fsm
