// InstanceLock: one interceptor per state directory. Held until it is destroyed or the process
// ends, in any way.
#pragma once

#include <string>

#include "common/fd.h"
#include "common/result.h"

namespace fsm {

class InstanceLock {
  public:
    // Creates the directory. The error names the pid of the process that holds the lock.
    static Result<InstanceLock> take(const std::string& state_directory);

    // <state directory>/lock, which holds the pid.
    static std::string path_in(const std::string& state_directory);

  private:
    explicit InstanceLock(Fd fd) : fd_(std::move(fd)) {}

    Fd fd_;
};

}  // namespace fsm
