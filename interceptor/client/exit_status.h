// The exit statuses of fsm-interceptor (docs/cli.md).
#pragma once

#include "common/result.h"

namespace fsm {

enum class ExitStatus : int {
    ok = 0,
    failed = 1,       // what was asked for could not be done
    usage = 2,        // the command line is wrong
    not_running = 3,  // no interceptor answers on the socket
    degraded = 4,     // `status`: the interceptor runs and tells of problems
};

constexpr int to_int(ExitStatus status) {
    return static_cast<int>(status);
}

// Of a failed request to the interceptor.
ExitStatus exit_status_of(const Error& failure);

}  // namespace fsm
