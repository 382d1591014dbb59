// PodIds: the numbers of pods' policies in the maps. A changed policy gets a new number: its
// entries are written beside the old ones, then the pod is switched to it.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>

namespace fsm {

// Threads: every function may be called from any thread.
class PodIds {
  public:
    // Takes over the number that an earlier process gave to a pod.
    void adopt(std::uint32_t id);
    // A number without a pod and without entries in the maps; never 0.
    std::uint32_t reserve();

    // The number is no longer used by a pod, but running programs may still read its entries.
    void retire(std::uint32_t id);
    // Numbers whose entries can be deleted once the currently running programs have ended.
    std::set<std::uint32_t> retired() const;

    // The entries of the numbers have been deleted.
    void release(const std::set<std::uint32_t>& ids);

  private:
    mutable std::mutex mutex_;
    std::set<std::uint32_t> in_use_;  // including retired ones
    std::set<std::uint32_t> retired_;
    std::uint32_t next_ = 1;
};

}  // namespace fsm
