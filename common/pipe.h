// Pipe: the two ends of a pipe, closed in programs that are started.
#pragma once

#include "common/fd.h"
#include "common/result.h"

namespace fsm {

struct Pipe {
    Fd read_end;
    Fd write_end;

    static Result<Pipe> open();
};

}  // namespace fsm
