// Small files: read completely up to a limit; written so that a reader sees the old or the new
// content.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fsm {

// A file of more than `limit` bytes is an error, not a truncated string.
Result<std::string> read_file(const std::string& path, std::size_t limit);

// Writes to a temporary file beside `path`, syncs it and renames it over `path`: after a crash at
// any point the old or the new file exists. The temporary file is hidden (leading dot, random
// suffix), so that directory readers ignore it.
Result<void> write_file_atomically(const std::string& path, std::string_view content, mode_t mode);

// The same, but not synced: readers and a crash of this process still find the old or the new
// content, but after a crash of the machine the file may have either content, or none. For files
// that are meaningless after a reboot.
Result<void> write_file_atomically_unsynced(const std::string& path, std::string_view content,
                                            mode_t mode);

// Names in a directory; a directory that is not there has none.
Result<std::vector<std::string>> list_directory(const std::string& path);

// mkdir -p. Directories that this function creates get `mode`.
Result<void> make_directories(const std::string& path, mode_t mode);

}  // namespace fsm
