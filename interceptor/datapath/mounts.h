// The two file systems that the data path needs: cgroup2, to which programs are attached, and
// bpffs, in which links and maps are pinned.
#pragma once

#include <string>

#include "common/result.h"

namespace fsm {

// The mount point of the root of the cgroup2 hierarchy; found by type, because the path differs
// between distributions. If there is none, it is mounted below `run_directory`.
Result<std::string> find_or_mount_cgroup2(const std::string& run_directory);
// Only found; empty: there is none.
Result<std::string> find_cgroup2();

// Mounts a bpffs at `path` unless there is one (on a bare machine /sys/fs/bpf is an empty folder of
// sysfs), and records the mount below `run_directory`.
Result<void> ensure_bpffs(const std::string& path, const std::string& run_directory);

// For a container: a bpffs that it mounts would end with it, and so would the pins. So it must be
// the node's; the error names the remedy if it is not.
Result<void> require_bpffs(const std::string& path);

// Undoes the mounts of the two functions above, if they made any. A bpffs in which other programs
// have pins stays mounted.
Result<void> remove_own_mounts(const std::string& bpffs, const std::string& run_directory);

}  // namespace fsm
