#include "common/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace fsm {

namespace {

constexpr mode_t kUnfinishedMode = 0600;

Result<void> fill(const Fd& fd, std::string_view content, FileOwner owner,
                  const std::string& path) {
    // Set the owner before the mode, because a change of owner clears special mode bits; and only
    // if it differs, because a container without CAP_CHOWN can still replace root's files.
    struct stat made {};
    if (fstat(fd.get(), &made) != 0) {
        return Error::from_errno("stat " + path);
    }
    const bool other_owner = made.st_uid != owner.user || made.st_gid != owner.group;
    if (other_owner && fchown(fd.get(), owner.user, owner.group) != 0) {
        return Error::from_errno("set the owner of " + path);
    }
    if (fchmod(fd.get(), owner.mode) != 0) {
        return Error::from_errno("set the mode of " + path);
    }
    FSM_TRY(write_all(fd, content, path));
    if (fsync(fd.get()) != 0) {
        return Error::from_errno("sync " + path);
    }
    return {};
}

}  // namespace

Result<void> write_all(const Fd& fd, std::string_view content, const std::string& path) {
    while (!content.empty()) {
        const ssize_t count = write(fd.get(), content.data(), content.size());
        if (count < 0 && errno != EINTR) {
            return Error::from_errno("write " + path);
        }
        content.remove_prefix(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
    return {};
}

Result<void> write_durably(const std::string& path, std::string_view content, FileOwner owner) {
    FSM_TRY(remove_file(path));
    const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kUnfinishedMode));
    if (!fd) {
        return Error::from_errno("create " + path);
    }
    auto filled = fill(fd, content, owner, path);
    if (!filled) {
        unlink(path.c_str());
    }
    return filled;
}

Result<void> rename_durably(const std::string& from, const std::string& to) {
    if (rename(from.c_str(), to.c_str()) != 0) {
        return Error::from_errno("rename " + from + " to " + to);
    }
    return sync_directory(to.substr(0, to.rfind('/')));
}

Result<void> remove_file(const std::string& path) {
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
        return Error::from_errno("remove " + path);
    }
    return {};
}

Result<void> sync_directory(const std::string& path) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || fsync(fd.get()) != 0) {
        return Error::from_errno("sync directory " + path);
    }
    return {};
}

}  // namespace fsm
