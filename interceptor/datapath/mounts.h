// The two file systems that the data path stands on: cgroup2, where programs are attached, and
// bpffs, where links and maps are pinned.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

// Where the root of the cgroup2 hierarchy is mounted; found by type, because the path differs from
// distribution to distribution. When it is mounted nowhere, it is mounted below `run_directory`.
Result<std::string> find_or_mount_cgroup2(const std::string& run_directory);

// Mounts a bpffs at `path` unless one is there (on a bare machine /sys/fs/bpf is an empty folder of
// sysfs), and remembers below `run_directory` that it was us.
Result<void> ensure_bpffs(const std::string& path, const std::string& run_directory);

// For a container: a bpffs that it mounts goes away with it, and the pins with that. So there it
// must be the node's, and an error says what to do when it is not.
Result<void> require_bpffs(const std::string& path);

// Undoes the mounts that were made by the two functions above, if they were. A bpffs in which
// others have pins by now stays mounted.
Result<void> remove_own_mounts(const std::string& bpffs, const std::string& run_directory);

}  // namespace fsm
