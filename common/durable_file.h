// System calls on files whose outcome must be on the disk before the next step: fsync of the file
// before it gets its name, fsync of the directory after it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"

namespace fsm {

struct FileOwner {
    mode_t mode;
    uid_t user;
    gid_t group;
};

// A new file, whole and synced, in place of an earlier one of that name; nobody else may read the
// path yet. On failure there is none.
Result<void> write_durably(const std::string& path, std::string_view content, FileOwner owner);

// Within one directory, which is synced.
Result<void> rename_durably(const std::string& from, const std::string& to);

// Succeeds when there is no such file.
Result<void> remove_file(const std::string& path);

Result<void> sync_directory(const std::string& path);

// All of it, however many calls that takes. `path` is for the error.
Result<void> write_all(const Fd& fd, std::string_view content, const std::string& path);

}  // namespace fsm
