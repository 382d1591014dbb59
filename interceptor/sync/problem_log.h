// ProblemLog: the last incidents that belong to no living pod (a corrupt file, a garbled note),
// kept for the status. Each is logged when it is added.
#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace fsm {

// Threads: every function may be called from any thread.
class ProblemLog {
  public:
    // An incident that is already among the kept ones is neither logged nor kept again.
    void add(const std::string& problem);
    std::vector<std::string> recent() const;

  private:
    mutable std::mutex mutex_;
    std::deque<std::string> recent_;
};

}  // namespace fsm
