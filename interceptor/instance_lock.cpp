#include "interceptor/instance_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/file.h"

namespace fsm {

namespace {

constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kLockMode = 0600;

std::string holder_of(const Fd& lock) {
    char text[32] = {};
    const ssize_t count = pread(lock.get(), text, sizeof(text) - 1, 0);
    return count > 0 ? " with pid " + std::string(text, static_cast<std::size_t>(count)) : "";
}

}  // namespace

std::string InstanceLock::path_in(const std::string& state_directory) {
    return state_directory + "/lock";
}

Result<InstanceLock> InstanceLock::take(const std::string& state_directory) {
    FSM_TRY(make_directories(state_directory, kDirectoryMode));
    const std::string path = path_in(state_directory);
    Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kLockMode));
    if (!fd) {
        return Error::from_errno("open " + path);
    }
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            return Error::from_errno("lock " + path);
        }
        return Error("an interceptor" + holder_of(fd) + " runs on " + state_directory +
                         " already; stop it first, or use another stateDirectory",
                     EWOULDBLOCK);
    }
    const std::string pid = std::to_string(getpid());
    if (ftruncate(fd.get(), 0) != 0 ||
        pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
        return Error::from_errno("write " + path);
    }
    return InstanceLock(std::move(fd));
}

}  // namespace fsm
