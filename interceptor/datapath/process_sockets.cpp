// take_sockets(): finds descriptors in /proc and duplicates them with pidfd_getfd(2), Linux 5.6.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

#include "interceptor/datapath/listeners.h"

namespace fsm {
namespace {

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

Directory open_directory(const std::string& path) {
    return {opendir(path.c_str()), closedir};
}

std::optional<int> to_number(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

Result<std::vector<int>> process_ids(const std::string& proc) {
    const Directory directory = open_directory(proc);
    if (!directory) {
        return Error::from_errno("list the processes in " + proc);
    }
    std::vector<int> pids;
    while (const dirent* entry = readdir(directory.get())) {
        if (const auto pid = to_number(entry->d_name)) {
            pids.push_back(*pid);
        }
    }
    return pids;
}

bool lives_in(const std::string& process, NetnsIdentity home) {
    struct stat info {};
    return stat((process + "/ns/net").c_str(), &info) == 0 &&
           NetnsIdentity{info.st_dev, info.st_ino} == home;
}

// "socket:[12345]"
std::optional<std::uint64_t> socket_inode(int directory, const char* name) {
    constexpr std::string_view kPrefix = "socket:[";
    std::array<char, 64> target{};
    const ssize_t length = readlinkat(directory, name, target.data(), target.size());
    if (length <= static_cast<ssize_t>(kPrefix.size())) {
        return std::nullopt;
    }
    const std::string_view text(target.data(), static_cast<std::size_t>(length));
    if (!text.starts_with(kPrefix)) {
        return std::nullopt;
    }
    std::uint64_t inode = 0;
    std::from_chars(text.data() + kPrefix.size(), text.data() + text.size(), inode);
    return inode;
}

struct Found {
    int descriptor;
    std::uint64_t inode;
};

// A process that has ended meanwhile has no sockets.
std::vector<Found> find_in_process(const std::string& process,
                                   const std::set<std::uint64_t>& inodes) {
    std::vector<Found> found;
    const Directory directory = open_directory(process + "/fd");
    while (const dirent* entry = directory ? readdir(directory.get()) : nullptr) {
        const auto descriptor = to_number(entry->d_name);
        if (!descriptor) {
            continue;
        }
        const auto inode = socket_inode(dirfd(directory.get()), entry->d_name);
        if (inode && inodes.contains(*inode)) {
            found.push_back({*descriptor, *inode});
        }
    }
    return found;
}

Result<Fd> duplicate(int pid, int descriptor) {
    const Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!process) {
        return Error::from_errno("open process " + std::to_string(pid));
    }
    Fd socket(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), descriptor, 0)));
    if (!socket) {
        return Error::from_errno("take descriptor " + std::to_string(descriptor) + " of process " +
                                 std::to_string(pid) + " (CAP_SYS_PTRACE, Linux 5.6)");
    }
    return socket;
}

bool is_gone(const Error& error) {
    return error.errno_value() == ESRCH || error.errno_value() == EBADF;
}

// The descriptor may have been closed and its number reused since it was found.
bool is_socket(const Fd& descriptor, std::uint64_t inode) {
    struct stat info {};
    return fstat(descriptor.get(), &info) == 0 && S_ISSOCK(info.st_mode) && info.st_ino == inode;
}

Result<void> take_from_process(const std::string& process, int pid, std::set<std::uint64_t>& wanted,
                               std::map<std::uint64_t, Fd>& taken) {
    for (const Found& found : find_in_process(process, wanted)) {
        auto socket = duplicate(pid, found.descriptor);
        if (!socket && is_gone(socket.error())) {
            continue;
        }
        if (!socket) {
            return std::move(socket.error());
        }
        if (is_socket(*socket, found.inode)) {
            taken.emplace(found.inode, std::move(*socket));
            wanted.erase(found.inode);
        }
    }
    return {};
}

}  // namespace

Result<std::map<std::uint64_t, Fd>> take_sockets(const std::string& proc, NetnsIdentity home,
                                                 std::set<std::uint64_t> inodes) {
    std::map<std::uint64_t, Fd> taken;
    if (inodes.empty()) {
        return taken;
    }
    FSM_ASSIGN(std::vector<int> pids, process_ids(proc));
    std::stable_partition(pids.begin(), pids.end(), [&](int pid) {
        return lives_in(proc + "/" + std::to_string(pid), home);
    });
    for (const int pid : pids) {
        if (inodes.empty()) {
            break;
        }
        FSM_TRY(take_from_process(proc + "/" + std::to_string(pid), pid, inodes, taken));
    }
    return taken;
}

}  // namespace fsm
