// PolicyStore: the lists of pods in the maps (fsm_ports, fsm_ranges), each under a number. A change
// of a pod's lists is a new number: its entries are written beside the old ones, then the pod is
// switched over, and the old ones go when no program can be on its way to them any more.
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

    // Takes over the numbers that an earlier process gave to its pods; entries under others go.
    Result<void> learn(const std::set<std::uint32_t>& living);

    // Writes the lists, and returns their number.
    Result<std::uint32_t> add(const InterceptionPolicy& policy, UndoLog& undo);
    // No pod is under the number any more.
    void retire(std::uint32_t number) { ids_.retire(number); }
    // Removes the entries of what was retired. Waits for programs that run.
    Result<void> purge_retired();

    // Whether the maps hold every entry of the lists; the error names one that they lack.
    Result<void> check(std::uint32_t number, const InterceptionPolicy& policy) const;

  private:
    const PortsMap ports_;
    const RangesMap ranges_;
    PodIds ids_;
};

}  // namespace fsm
