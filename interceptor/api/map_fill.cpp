#include "interceptor/api/map_fill.h"

#include <utility>

namespace fsm {

Result<std::vector<DatapathMap>> MapFill::of(const Inspection& datapath) {
    const std::lock_guard guard(mutex_);
    const auto now = Clock::now();
    if (!counted_ || now - at_ >= kPeriod) {
        FSM_ASSIGN(auto maps, datapath.maps());
        counted_ = std::move(maps);
        at_ = now;
    }
    return *counted_;
}

}  // namespace fsm
