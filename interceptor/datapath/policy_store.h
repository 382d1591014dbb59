// PolicyStore: the lists of pods in the maps (fsm_ports, fsm_ranges), each with a number. Changed
// lists get a new number: their entries are written beside the old ones, the pod is switched, and
// the old ones are deleted when no running program can read them.
//
// Threads: every function may be called from any thread.
#pragma once

#include <cstdint>
#include <set>

#include "common/interception.h"
#include "common/result.h"
#include "interceptor/datapath/datapath_maps.h"
#include "interceptor/datapath/pod_ids.h"
#include "interceptor/datapath/undo_log.h"

namespace fsm {

class PolicyStore {
  public:
    PolicyStore(PortsMap ports, RangesMap ranges) : ports_(ports), ranges_(ranges) {}

    // Takes over the numbers of an earlier process's pods; deletes the entries of others.
    Result<void> learn(const std::set<std::uint32_t>& living);

    // Writes the lists, and returns their number.
    Result<std::uint32_t> add(const InterceptionPolicy& policy, UndoLog& undo);
    // The number is no longer used by a pod.
    void retire(std::uint32_t number) { ids_.retire(number); }
    // Deletes the entries of retired numbers. Waits for running programs.
    Result<void> purge_retired();

    // Whether the maps contain every entry of the lists; the error names a missing one.
    Result<void> check(std::uint32_t number, const InterceptionPolicy& policy) const;

  private:
    const PortsMap ports_;
    const RangesMap ranges_;
    PodIds ids_;
};

}  // namespace fsm
