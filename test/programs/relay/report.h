// One line of JSON per accepted connection: what the sidecar can ask about it.
#pragma once

#include "common/fd.h"
#include "common/result.h"
#include "relay/config.h"

namespace fsm::test {

struct Observation {
    Direction direction = Direction::outbound;
    Endpoint accepted;  // what accept4() said
    Result<Endpoint> peer;
    Result<Endpoint> local;
    Result<Endpoint> original;
};

// Lines go out by one write each, so workers, processes too, may share the file.
class Reporter {
  public:
    static Result<Reporter> open(const Config& config);
    void report(const Observation& observation) const;

  private:
    Fd fd_;  // none: nothing is reported
};

}  // namespace fsm::test
