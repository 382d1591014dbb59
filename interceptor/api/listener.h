// Listener: accepts an HttpServer's clients, and decides which ones are allowed.
#pragma once

#include "common/fd.h"
#include "common/result.h"

namespace fsm {

class Listener {
  public:
    virtual ~Listener() = default;

    // A listening socket that does not block.
    virtual const Fd& fd() const = 0;
    // Whether the accepted client may send requests; the error is sent to it.
    virtual Result<void> admit(const Fd& connection) const = 0;
};

}  // namespace fsm
