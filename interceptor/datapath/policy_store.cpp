#include "interceptor/datapath/policy_store.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "interceptor/datapath/policy.h"

namespace fsm {
namespace {

// After this call all BPF programs that were running before have ended, so entries that they may
// have been reading can be deleted. MEMBARRIER_CMD_GLOBAL waits for an RCU grace period; where it
// is not available (isolated CPUs), the seconds between two sweeps must be enough.
void wait_for_running_programs() {
    (void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

bool is_full(const Error& error) {
    return error.errno_value() == E2BIG || error.errno_value() == ENOSPC;
}

template <typename Key>
Result<void> require(const TypedMap<Key, std::uint8_t>& map, const std::vector<Key>& keys,
                     const char* kind) {
    for (const Key& key : keys) {
        FSM_ASSIGN(const auto listed, map.lookup(key));
        if (!listed) {
            return Error("map " + map.name() + " lacks one of the pod's " + kind);
        }
    }
    return {};
}

}  // namespace

Result<void> PolicyStore::learn(const std::set<std::uint32_t>& living) {
    for (const std::uint32_t number : living) {
        ids_.adopt(number);
    }
    return purge_policies(ports_, ranges_,
                          [&](std::uint32_t number) { return !living.contains(number); });
}

Result<std::uint32_t> PolicyStore::add(const InterceptionPolicy& policy, UndoLog& undo) {
    const std::uint32_t number = ids_.reserve();
    undo.add([this, number]() -> Result<void> {
        ids_.release({number});
        return {};
    });
    const PolicyEntries entries = policy_entries(number, policy);
    auto written = write_policy(ports_, ranges_, entries);
    if (!written && is_full(written.error())) {
        FSM_TRY(purge_retired());
        written = write_policy(ports_, ranges_, entries);
    }
    FSM_TRY(std::move(written));
    undo.add([this, entries] { return remove_policy(ports_, ranges_, entries); });
    return number;
}

Result<void> PolicyStore::purge_retired() {
    const std::set<std::uint32_t> retired = ids_.retired();
    if (retired.empty()) {
        return {};
    }
    wait_for_running_programs();
    FSM_TRY(purge_policies(ports_, ranges_,
                           [&](std::uint32_t number) { return retired.contains(number); }));
    ids_.release(retired);
    return {};
}

Result<void> PolicyStore::check(std::uint32_t number, const InterceptionPolicy& policy) const {
    const PolicyEntries entries = policy_entries(number, policy);
    FSM_TRY(require(ports_, entries.ports, "ports"));
    return require(ranges_, entries.ranges, "address ranges");
}

}  // namespace fsm
