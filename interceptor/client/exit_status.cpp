#include "interceptor/client/exit_status.h"

#include <cerrno>

namespace fsm {

ExitStatus exit_status_of(const Error& failure) {
    const bool absent = failure.errno_value() == ENOENT || failure.errno_value() == ECONNREFUSED;
    return absent ? ExitStatus::not_running : ExitStatus::failed;
}

}  // namespace fsm
