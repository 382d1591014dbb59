#include "common/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace fsm {

Result<Pipe> Pipe::open() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        return Error::from_errno("make a pipe");
    }
    return Pipe{Fd(ends[0]), Fd(ends[1])};
}

}  // namespace fsm
