#include "interceptor/datapath/mounts.h"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "common/file.h"
#include "interceptor/interception/mount_table.h"

namespace fsm {
namespace {

constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kMarkerMode = 0644;

std::string own_cgroup2(const std::string& run_directory) {
    return run_directory + "/cgroup2";
}

std::string bpffs_marker(const std::string& run_directory) {
    return run_directory + "/bpffs-mounted";
}

// Inside a cgroup namespace the host's root appears as "/..", "/../..", and so on: the longer, the
// higher. -1: not a root.
int height_of_root(const std::string& root) {
    if (root == "/") {
        return 0;
    }
    int height = 0;
    for (std::size_t at = 0; at < root.size(); at += 3, ++height) {
        if (root.compare(at, 3, "/..") != 0) {
            return -1;
        }
    }
    return height;
}

Result<void> mount_at(const char* type, const std::string& path) {
    FSM_TRY(make_directories(path, kDirectoryMode));
    if (mount(type, path.c_str(), type, MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
        return Error::from_errno("mount a " + std::string(type) + " file system at " + path);
    }
    return {};
}

Result<bool> is_bpffs(const std::string& path) {
    struct statfs info {};
    if (statfs(path.c_str(), &info) != 0) {
        if (errno == ENOENT) {
            return false;
        }
        return Error::from_errno("look at " + path);
    }
    return info.f_type == BPF_FS_MAGIC;
}

Result<void> unmount(const std::string& path) {
    if (umount2(path.c_str(), UMOUNT_NOFOLLOW) != 0) {
        return Error::from_errno("unmount " + path);
    }
    return {};
}

Result<bool> is_mounted(const std::string& path) {
    FSM_ASSIGN(const std::vector<Mount> mounts, read_mounts("/proc/self/mountinfo"));
    return std::any_of(mounts.begin(), mounts.end(),
                       [&](const Mount& mount) { return mount.point == path; });
}

Result<void> remove_own_cgroup2(const std::string& run_directory) {
    const std::string path = own_cgroup2(run_directory);
    FSM_ASSIGN(const bool mounted, is_mounted(path));
    if (mounted) {
        FSM_TRY(unmount(path));
    }
    if (rmdir(path.c_str()) != 0 && errno != ENOENT) {
        return Error::from_errno("remove " + path);
    }
    return {};
}

// The kernel itself adds iterators to a new bpffs (CONFIG_BPF_PRELOAD): *.debug, with a dot, which
// no pin can have.
Result<bool> has_pins(const std::string& bpffs) {
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(bpffs, failure), end; !failure && entry != end;
         entry.increment(failure)) {
        if (entry->path().extension() != ".debug") {
            return true;
        }
    }
    if (failure) {
        return Error::from_errno("list " + bpffs, failure.value());
    }
    return false;
}

Result<void> remove_own_bpffs(const std::string& bpffs, const std::string& run_directory) {
    const std::string marker = bpffs_marker(run_directory);
    if (access(marker.c_str(), F_OK) != 0) {
        return {};
    }
    FSM_ASSIGN(const std::string marked, read_file(marker, 4096));
    FSM_ASSIGN(const bool mounted, is_bpffs(bpffs));
    if (mounted && marked == bpffs) {
        FSM_ASSIGN(const bool used, has_pins(bpffs));
        if (!used) {
            FSM_TRY(unmount(bpffs));
        }
    }
    if (unlink(marker.c_str()) != 0) {
        return Error::from_errno("remove " + marker);
    }
    return {};
}

}  // namespace

Result<std::string> find_cgroup2() {
    FSM_ASSIGN(const std::vector<Mount> mounts, read_mounts("/proc/self/mountinfo"));
    const Mount* best = nullptr;
    for (const Mount& mount : mounts) {
        if (mount.type == "cgroup2" && height_of_root(mount.root) >= 0 &&
            (best == nullptr || height_of_root(mount.root) > height_of_root(best->root))) {
            best = &mount;
        }
    }
    return best != nullptr ? best->point : "";
}

Result<std::string> find_or_mount_cgroup2(const std::string& run_directory) {
    FSM_ASSIGN(auto found, find_cgroup2());
    if (!found.empty()) {
        return found;
    }
    const std::string own = own_cgroup2(run_directory);
    FSM_TRY(mount_at("cgroup2", own));
    return own;
}

Result<void> ensure_bpffs(const std::string& path, const std::string& run_directory) {
    FSM_ASSIGN(const bool mounted, is_bpffs(path));
    if (mounted) {
        return {};
    }
    FSM_TRY(make_directories(run_directory, kDirectoryMode));
    // The marker first: after a crash in between, a marker without a mount is harmless.
    FSM_TRY(write_file_atomically(bpffs_marker(run_directory), path, kMarkerMode));
    return mount_at("bpf", path);
}

Result<void> require_bpffs(const std::string& path) {
    FSM_ASSIGN(const bool mounted, is_bpffs(path));
    if (!mounted) {
        return Error("the node has no bpffs at " + path +
                     ", and one that a container mounts would go away with it: mount it on the "
                     "node (mount -t bpf bpf /sys/fs/bpf), as systemd does at boot");
    }
    return {};
}

Result<void> remove_own_mounts(const std::string& bpffs, const std::string& run_directory) {
    FSM_TRY(remove_own_cgroup2(run_directory));
    return remove_own_bpffs(bpffs, run_directory);
}

}  // namespace fsm
