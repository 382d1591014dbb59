// File operations whose result is on the disk before the next step: fsync the file before it gets
// its name, and the directory afterwards.
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

// Writes a new file, complete and synced, and replaces an earlier one of that name. No other
// process may read the path yet. On failure the file does not exist.
Result<void> write_durably(const std::string& path, std::string_view content, FileOwner owner);

// Renames within one directory, which is synced.
Result<void> rename_durably(const std::string& from, const std::string& to);

// Removes a file; succeeds if it does not exist.
Result<void> remove_file(const std::string& path);

Result<void> sync_directory(const std::string& path);

// Writes everything, with as many calls as that takes. `path` is for the error message.
Result<void> write_all(const Fd& fd, std::string_view content, const std::string& path);

}  // namespace fsm
