// One line of JSON per accepted connection: everything that the sidecar can query about it.
#pragma once

#include "common/fd.h"
#include "common/result.h"
#include "relay/config.h"

namespace fsm::test {

struct Observation {
    Direction direction = Direction::outbound;
    Endpoint accepted;  // the address from accept4()
    Result<Endpoint> peer;
    Result<Endpoint> local;
    Result<Endpoint> original;
};

// Each line is one write, so workers, also in other processes, may share the file.
class Reporter {
  public:
    static Result<Reporter> open(const Config& config);
    void report(const Observation& observation) const;

  private:
    Fd fd_;  // none: nothing is reported
};

}  // namespace fsm::test
