#include "interceptor/sync/user_namespace.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <optional>
#include <sstream>
#include <system_error>

#include "common/file.h"
#include "common/pipe.h"

namespace fsm {

namespace {

constexpr std::size_t kMapLimit = 65536;

const char* file_of(IdKind kind) {
    return kind == IdKind::user ? "uid_map" : "gid_map";
}

bool is_own_user_namespace(const Fd& user_namespace) {
    struct stat theirs {};
    struct stat ours {};
    return fstat(user_namespace.get(), &theirs) == 0 && stat("/proc/self/ns/user", &ours) == 0 &&
           theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

// Runs in the child of a fork of a process with threads: only async-signal-safe calls are allowed.
[[noreturn]] void send_own_map(int user_namespace, int pipe_end, const char* path) {
    char buffer[4096];
    if (setns(user_namespace, CLONE_NEWUSER) != 0) {
        _exit(1);
    }
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = 0;
    while (file >= 0 && (count = read(file, buffer, sizeof(buffer))) > 0) {
        if (write(pipe_end, buffer, static_cast<std::size_t>(count)) != count) {
            _exit(1);
        }
    }
    _exit(file >= 0 && count == 0 ? 0 : 1);
}

// A process that has entered a user namespace sees that namespace's map relative to its parent. A
// thread cannot enter one, so a child process does.
Result<std::string> map_of_user_namespace(const Fd& user_namespace, IdKind kind) {
    FSM_ASSIGN(Pipe pipe, Pipe::open());
    const char* path =
        kind == IdKind::user ? "/proc/thread-self/uid_map" : "/proc/thread-self/gid_map";
    const pid_t child = fork();
    if (child < 0) {
        return Error::from_errno("fork");
    }
    if (child == 0) {
        send_own_map(user_namespace.get(), pipe.write_end.get(), path);
    }
    pipe.write_end.reset();
    std::string map;
    char buffer[4096];
    ssize_t count = 0;
    while ((count = read(pipe.read_end.get(), buffer, sizeof(buffer))) > 0 &&
           map.size() < kMapLimit) {
        map.append(buffer, static_cast<std::size_t>(count));
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return Error("enter the user namespace that owns the network namespace");
    }
    return map;
}

// nullopt: the host's user namespace owns the network namespace.
Result<std::optional<std::string>> map_of_owner(const Netns& netns, IdKind kind) {
    const Fd owner(ioctl(netns.fd().get(), NS_GET_USERNS));
    if (!owner) {
        return Error::from_errno("find the user namespace that owns the network namespace");
    }
    if (is_own_user_namespace(owner)) {
        return std::optional<std::string>();
    }
    FSM_ASSIGN(auto map, map_of_user_namespace(owner, kind));
    return std::optional<std::string>(std::move(map));
}

bool is_pid(const std::string& name) {
    return !name.empty() && std::all_of(name.begin(), name.end(),
                                        [](unsigned char c) { return std::isdigit(c) != 0; });
}

bool lives_in(const std::filesystem::path& process, const NetnsIdentity& netns) {
    struct stat network {};
    struct stat users {};
    struct stat ours {};
    return stat((process / "ns/net").c_str(), &network) == 0 &&
           NetnsIdentity{network.st_dev, network.st_ino} == netns &&
           stat((process / "ns/user").c_str(), &users) == 0 &&
           stat("/proc/self/ns/user", &ours) == 0 && users.st_ino != ours.st_ino;
}

Result<std::string> map_of_process(const Netns& netns, const std::string& proc, IdKind kind) {
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(proc, failure), end; !failure && entry != end;
         entry.increment(failure)) {
        const auto& path = entry->path();
        if (is_pid(path.filename().string()) && lives_in(path, netns.identity())) {
            return read_file((path / file_of(kind)).string(), kMapLimit);
        }
    }
    return Error("no process with a user namespace runs in the pod's network namespace yet");
}

}  // namespace

Result<std::uint32_t> translate_id(std::string_view map, std::uint32_t id) {
    std::istringstream lines{std::string(map)};
    std::uint64_t inside = 0;
    std::uint64_t outside = 0;
    std::uint64_t count = 0;
    while (lines >> inside >> outside >> count) {
        if (id >= inside && id - inside < count) {
            return static_cast<std::uint32_t>(outside + (id - inside));
        }
    }
    return Error("id " + std::to_string(id) + " is not mapped in the pod's user namespace");
}

Result<std::uint32_t> host_id(const Netns& netns, const std::string& proc, IdKind kind,
                              std::uint32_t id) {
    auto owner = map_of_owner(netns, kind);
    if (owner && *owner) {
        return translate_id(**owner, id);
    }
    FSM_ASSIGN(const auto map, map_of_process(netns, proc, kind));
    return translate_id(map, id);
}

}  // namespace fsm
