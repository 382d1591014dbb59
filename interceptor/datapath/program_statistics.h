// ProgramMeter: the kernel's statistics of this data path's programs: how often they ran, and how
// long. The kernel keeps them, for all programs of the node, from the first read() until the
// meter's end.
//
// Pods come and go with programs of their own, and their statistics with them; so the meter adds up
// what has been added since it looked last, and its sums never decrease. What a program did between
// the last look and its end is not in them.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "interceptor/datapath/datapath_maps.h"
#include "interceptor/interception/inspection.h"

namespace fsm {

// Threads: every function may be called from any thread.
class ProgramMeter {
  public:
    // A program is this data path's if it uses one of `maps`.
    explicit ProgramMeter(const MapSet& maps);

    // One for each of `program_specs()` that has been seen. What a per-pod program calls is in its
    // own time: the kernel counts no tail calls.
    Result<std::vector<ProgramStatistics>> read();

  private:
    struct Counted {
        std::uint64_t runs = 0;
        std::uint64_t nanoseconds = 0;
    };
    using ById = std::map<std::uint32_t, Counted>;

    // With the lock held.
    Result<void> switch_on();
    Result<void> look_at(std::uint32_t id, ById& seen);

    std::set<std::uint32_t> maps_;
    std::mutex mutex_;  // protects the following members
    Fd switched_on_;    // the kernel counts while it is open
    ById last_;
    std::map<std::string, Counted> sums_;
};

}  // namespace fsm
