#include "interceptor/datapath/pins.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "common/file.h"

namespace fsm {
namespace {

// A process that opens a pin can change the data path.
constexpr mode_t kPinMode = 0700;
constexpr mode_t kRunMode = 0755;

bool exists(const std::string& path) {
    return access(path.c_str(), F_OK) == 0;
}

}  // namespace

std::string PinTree::pod(std::uint64_t netns_cookie) const {
    std::array<char, 17> hex{};
    (void)snprintf(hex.data(), hex.size(), "%llx", static_cast<unsigned long long>(netns_cookie));
    return pods() + "/" + hex.data();
}

Result<void> PinTree::recover() const {
    FSM_TRY(remove_tree(new_maps()));
    if (exists(next_maps())) {
        FSM_TRY(commit_next_maps());
    }
    return {};
}

Result<void> PinTree::commit_next_maps() const {
    FSM_TRY(remove_tree(maps()));
    return rename_pin(next_maps(), maps());
}

Result<void> remove_tree(const std::string& path) {
    std::error_code failure;
    std::filesystem::remove_all(path, failure);
    if (failure) {
        return Error::from_errno("remove " + path, failure.value());
    }
    return {};
}

Result<void> make_pin_directory(const std::string& path) {
    return make_directories(path, kPinMode);
}

Result<void> pin(int fd, const std::string& path) {
    if (bpf_obj_pin(fd, path.c_str()) != 0) {
        return Error::from_errno("pin " + path);
    }
    return {};
}

Result<void> rename_pin(const std::string& from, const std::string& to) {
    if (rename(from.c_str(), to.c_str()) != 0) {
        return Error::from_errno("rename " + from + " to " + to);
    }
    return {};
}

Result<bool> unpin(const std::string& path) {
    if (unlink(path.c_str()) == 0) {
        return true;
    }
    if (errno == ENOENT) {
        return false;
    }
    return Error::from_errno("remove " + path);
}

Result<DatapathLock> DatapathLock::acquire(const std::string& run_directory,
                                           const std::string& name) {
    FSM_TRY(make_directories(run_directory, kRunMode));
    const std::string path = run_directory + "/" + name + ".lock";
    Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) {
        return Error::from_errno("open lock file " + path);
    }
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return Error("another process manages the data path \"" + name + "\" (it holds " +
                             path + "): stop it first",
                         EBUSY);
        }
        return Error::from_errno("lock " + path);
    }
    return DatapathLock(std::move(fd), path);
}

Result<void> DatapathLock::remove() {
    if (unlink(path_.c_str()) != 0 && errno != ENOENT) {
        return Error::from_errno("remove " + path_);
    }
    fd_.reset();
    return {};
}

}  // namespace fsm
