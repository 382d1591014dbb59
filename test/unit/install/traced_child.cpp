#include "test/unit/install/traced_child.h"

#include <limits.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <optional>

namespace fsm::testing {

namespace {

using Kind = FileOperation::Kind;

std::string text_at(pid_t child, std::uint64_t address) {
    std::array<char, PATH_MAX> buffer{};
    // First to the end of the page: the next one may not be mapped.
    const std::size_t in_page = 4096 - address % 4096;
    iovec local{buffer.data(), in_page};
    iovec remote{reinterpret_cast<void*>(address), in_page};  // NOLINT: an address of the child
    if (process_vm_readv(child, &local, 1, &remote, 1, 0) < 0) {
        return "?";
    }
    return buffer.data();
}

std::string path_of(pid_t child, std::uint64_t fd) {
    std::array<char, PATH_MAX> buffer{};
    const std::string link = "/proc/" + std::to_string(child) + "/fd/" + std::to_string(fd);
    const ssize_t size = readlink(link.c_str(), buffer.data(), buffer.size() - 1);
    return size < 0 ? "?" : std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::optional<FileOperation> decode(pid_t child, std::uint64_t number, const std::uint64_t* args) {
    switch (number) {
        case SYS_write:
            return FileOperation{Kind::write, path_of(child, args[0]), ""};
        case SYS_fsync:
            return FileOperation{Kind::sync, path_of(child, args[0]), ""};
        case SYS_renameat:
        case SYS_renameat2:
            return FileOperation{Kind::rename, text_at(child, args[1]), text_at(child, args[3])};
        case SYS_linkat:
            return FileOperation{Kind::link, text_at(child, args[1]), text_at(child, args[3])};
        case SYS_unlinkat:
            return FileOperation{Kind::unlink, text_at(child, args[1]), ""};
#ifdef SYS_rename
        case SYS_rename:
            return FileOperation{Kind::rename, text_at(child, args[0]), text_at(child, args[1])};
#endif
#ifdef SYS_unlink
        case SYS_unlink:
            return FileOperation{Kind::unlink, text_at(child, args[0]), ""};
#endif
        default:
            return std::nullopt;
    }
}

[[noreturn]] void work_in_child(const std::function<bool()>& work) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    _exit(work() ? 0 : 1);
}

}  // namespace

ChildRun run_traced(const std::function<bool()>& work, unsigned limit) {
    const pid_t child = fork();
    if (child < 0) {
        std::abort();
    }
    if (child == 0) {
        work_in_child(work);
    }
    ChildRun run;
    int status = 0;
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    for (unsigned calls = 0; ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0;) {
        waitpid(child, &status, 0);
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            run.ended_by_itself = WIFEXITED(status);
            run.succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
            return run;
        }
        __ptrace_syscall_info info{};
        ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info);
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY) {
            continue;
        }
        if (++calls == limit) {
            break;
        }
        if (auto operation = decode(child, info.entry.nr, info.entry.args)) {
            run.operations.push_back(std::move(*operation));
        }
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return run;
}

}  // namespace fsm::testing
