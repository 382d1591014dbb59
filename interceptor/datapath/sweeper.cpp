#include "interceptor/datapath/sweeper.h"

#include <vector>

#include "common/failures.h"
#include "interceptor/datapath/map_adoption.h"
#include "interceptor/datapath/pod_pins.h"

namespace fsm {

Result<void> Sweeper::sweep() {
    const std::lock_guard guard(sweeping_);
    Failures failures;
    failures.note(flows_.sweep());
    failures.note(withdraw_dead_pods());
    failures.note(policies_.purge_retired());
    failures.note(drop_empty_retired(tree_));
    return failures.result();
}

// The link of a namespace that has ended shows that. (A namespace with tc filters removes them; the
// reconciler detects and withdraws its pod.)
Result<void> Sweeper::withdraw_dead_pods() {
    FSM_ASSIGN(const std::vector<std::uint64_t> cookies, pinned_pods(tree_));
    Failures failures;
    for (const std::uint64_t cookie : cookies) {
        failures.note(withdraw_if_dead_(cookie));
    }
    return failures.result();
}

}  // namespace fsm
