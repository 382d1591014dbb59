// PodIds: the numbers under which the policies of pods stand in the maps. A change of a pod's
// policy is a new number: its entries are written beside the old ones, then the pod is switched
// over.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>

namespace fsm {

// Threads: every function may be called from any thread.
class PodIds {
  public:
    // Takes over a number that an earlier process gave to a pod.
    void adopt(std::uint32_t id);
    // A number that no pod has and no entry in the maps is under; never 0.
    std::uint32_t reserve();

    // No pod has the number any more, but programs that run may still be reading its entries.
    void retire(std::uint32_t id);
    // Numbers whose entries are to be deleted once the programs that run now have ended.
    std::set<std::uint32_t> retired() const;

    // There are no entries under the numbers any more.
    void release(const std::set<std::uint32_t>& ids);

  private:
    mutable std::mutex mutex_;
    std::set<std::uint32_t> in_use_;  // retired ones too
    std::set<std::uint32_t> retired_;
    std::uint32_t next_ = 1;
};

}  // namespace fsm
