// Listener: where an HttpServer gets its clients from, and who may be one.
#pragma once

#include "common/fd.h"
#include "common/result.h"

namespace fsm {

class Listener {
  public:
    virtual ~Listener() = default;

    // Listens, and does not block.
    virtual const Fd& fd() const = 0;
    // Whether the client that was accepted may ask; the error tells it why not.
    virtual Result<void> admit(const Fd& connection) const = 0;
};

}  // namespace fsm
