#include "common/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "common/durable_file.h"
#include "common/fd.h"

namespace fsm {

namespace {

std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

Result<void> sync_file(const Fd& fd, const std::string& path) {
    if (fsync(fd.get()) != 0) {
        return Error::from_errno("sync " + path);
    }
    return {};
}

// `settle` is called with the completely written temporary file before the rename.
template <typename Settle>
Result<void> replace_file(const std::string& path, std::string_view content, mode_t mode,
                          const Settle& settle) {
    std::string temporary = parent_of(path) + "/." + name_of(path) + ".XXXXXX";
    const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd) {
        return Error::from_errno("create a temporary file beside " + path);
    }
    auto written = write_all(fd, content, temporary);
    if (written && fchmod(fd.get(), mode) != 0) {
        written = Error::from_errno("set the mode of " + temporary);
    }
    if (written) {
        written = settle(fd, temporary);
    }
    if (written && rename(temporary.c_str(), path.c_str()) != 0) {
        written = Error::from_errno("rename " + temporary + " to " + path);
    }
    if (!written) {
        unlink(temporary.c_str());
    }
    return written;
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        return Error::from_errno("open " + path);
    }
    std::string content;
    char buffer[16384];
    while (true) {
        const ssize_t count = ::read(fd.get(), buffer, sizeof(buffer));
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            return Error::from_errno("read " + path);
        }
        if (count == 0) {
            return content;
        }
        if (content.size() + static_cast<std::size_t>(count) > limit) {
            return Error("read " + path + ": larger than " + std::to_string(limit) + " bytes",
                         EFBIG);
        }
        content.append(buffer, static_cast<std::size_t>(count));
    }
}

Result<void> write_file_atomically(const std::string& path, std::string_view content, mode_t mode) {
    FSM_TRY(replace_file(path, content, mode, sync_file));
    return sync_directory(parent_of(path));
}

Result<void> write_file_atomically_unsynced(const std::string& path, std::string_view content,
                                            mode_t mode) {
    return replace_file(path, content, mode,
                        [](const Fd&, const std::string&) { return Result<void>(); });
}

// Try the deepest directory first: usually it, or its parent, exists already.
Result<void> make_directories(const std::string& path, mode_t mode) {
    if (mkdir(path.c_str(), mode) == 0) {
        return {};
    }
    if (errno == ENOENT && parent_of(path) != path) {
        FSM_TRY(make_directories(parent_of(path), mode));
        if (mkdir(path.c_str(), mode) == 0) {
            return {};
        }
    }
    if (errno != EEXIST) {
        return Error::from_errno("make directory " + path);
    }
    struct stat info {};
    if (stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
        return Error(path + " is not a directory", ENOTDIR);
    }
    return {};
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
    if (!directory) {
        if (errno == ENOENT) {
            return names;
        }
        return Error::from_errno("list " + path);
    }
    errno = 0;
    while (const dirent* entry = readdir(directory.get())) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") {
            names.push_back(name);
        }
        errno = 0;
    }
    if (errno != 0) {
        return Error::from_errno("list " + path);
    }
    return names;
}

}  // namespace fsm
