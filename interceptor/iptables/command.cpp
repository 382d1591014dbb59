#include "interceptor/iptables/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <thread>

#include "common/fd.h"

namespace fsm {
namespace {

constexpr const char* kUsualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::size_t kOutputLimit = std::size_t{16} << 20;
constexpr std::size_t kErrorLimit = 2000;
// A killed process that is still there after this hangs in the kernel.
constexpr std::chrono::milliseconds kTimeToDie{1000};
// Handed on when it is set: where the legacy tools keep their lock. Without it they use /run, which
// is read-only in the interceptor's container.
constexpr const char* kLockFileVariable = "XTABLES_LOCKFILE";

using Clock = std::chrono::steady_clock;

std::optional<std::string> variable(const char* name) {
    // Nothing here changes the environment.
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::string search_path() {
    return variable("PATH").value_or(kUsualPath);
}

std::vector<std::string> child_environment() {
    std::vector<std::string> environment = {"PATH=" + search_path()};
    if (const auto lock_file = variable(kLockFileVariable)) {
        environment.push_back(std::string(kLockFileVariable) + "=" + *lock_file);
    }
    return environment;
}

// For posix_spawn, which changes nothing in them.
std::vector<char*> null_terminated(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const std::string& text : texts) {
        pointers.push_back(const_cast<char*>(text.c_str()));
    }
    pointers.push_back(nullptr);
    return pointers;
}

// Files in memory for the child's streams: whatever it writes, and however it ends, no pipe has to
// be emptied.
Result<Fd> memory_file(const char* name, std::string_view content) {
    Fd file(memfd_create(name, MFD_CLOEXEC));
    if (!file) {
        return Error::from_errno("make a file in memory");
    }
    std::size_t written = 0;
    while (written < content.size()) {
        const ssize_t count = write(file.get(), content.data() + written, content.size() - written);
        if (count < 0) {
            return Error::from_errno("write to a file in memory");
        }
        written += static_cast<std::size_t>(count);
    }
    lseek(file.get(), 0, SEEK_SET);
    return file;
}

std::string content_of(const Fd& file, std::size_t limit) {
    std::string content;
    char buffer[16384];
    ssize_t count = 0;
    while (content.size() < limit && (count = pread(file.get(), buffer, sizeof(buffer),
                                                    static_cast<off_t>(content.size()))) > 0) {
        content.append(buffer, static_cast<std::size_t>(count));
    }
    content.resize(std::min(content.size(), limit));
    return content;
}

// One line, to stand in a sentence.
std::string in_one_line(std::string text) {
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

class SpawnSettings {
  public:
    SpawnSettings() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
        // Signals that this process blocks or ignores are the child's own business.
        sigset_t none;
        sigset_t defaults;
        sigemptyset(&none);
        sigemptyset(&defaults);
        sigaddset(&defaults, SIGPIPE);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &defaults);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    ~SpawnSettings() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }

    void connect(const Fd& ours, int theirs) {
        posix_spawn_file_actions_adddup2(&actions_, ours.get(), theirs);
    }
    Result<pid_t> spawn(const std::vector<std::string>& arguments) const {
        const std::vector<std::string> environment = child_environment();
        const auto argv = null_terminated(arguments);
        const auto envp = null_terminated(environment);
        pid_t child = 0;
        const int failure =
            posix_spawn(&child, argv[0], &actions_, &attributes_, argv.data(), envp.data());
        if (failure != 0) {
            return Error::from_errno("start " + arguments[0], failure);
        }
        return child;
    }

  private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

std::chrono::milliseconds time_until(Clock::time_point moment) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(moment - Clock::now());
    return std::max(left, std::chrono::milliseconds(0));
}

// Sleeps until a child may have ended. The child holds the other end of a pipe, which closes with
// it at the latest; a program may also close it early, or leave it to a process of its own. So the
// pipe only shortens the sleep.
class EndHint {
  public:
    explicit EndHint(Fd pipe) : pipe_(std::move(pipe)) {}

    void sleep(std::chrono::milliseconds longest) {
        if (!pipe_) {
            std::this_thread::sleep_for(std::min(longest, pause_));
            pause_ = std::min(pause_ * 2, kLongestPause);
            return;
        }
        pollfd waiting{pipe_.get(), POLLIN, 0};
        if (poll(&waiting, 1, static_cast<int>(std::min(longest, kLookAgain).count())) > 0) {
            pipe_.reset();
        }
    }

  private:
    static constexpr std::chrono::milliseconds kLookAgain{100};
    static constexpr std::chrono::milliseconds kLongestPause{10};

    Fd pipe_;
    std::chrono::milliseconds pause_{1};
};

// The child's status; nothing: it has not ended in time.
Result<std::optional<int>> wait_for(pid_t child, EndHint& hint, std::chrono::milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    for (;;) {
        int status = 0;
        const pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child) {
            return std::optional<int>(status);
        }
        if (ended < 0 && errno != EINTR) {
            return Error::from_errno("wait for process " + std::to_string(child));
        }
        const auto left = time_until(deadline);
        if (left.count() == 0) {
            return std::optional<int>();
        }
        hint.sleep(left);
    }
}

Result<void> end(pid_t child, EndHint& hint) {
    kill(child, SIGKILL);
    FSM_ASSIGN(const auto status, wait_for(child, hint, kTimeToDie));
    if (!status) {
        return Error("process " + std::to_string(child) +
                         " is not ready in time, and does not end when it is killed: it hangs in "
                         "the kernel",
                     ETIMEDOUT);
    }
    return {};
}

std::string how_it_ended(int status) {
    return WIFEXITED(status) ? "exit status " + std::to_string(WEXITSTATUS(status))
                             : "signal " + std::to_string(WTERMSIG(status));
}

}  // namespace

Result<std::string> run_command(const std::vector<std::string>& arguments, std::string_view input,
                                std::chrono::milliseconds limit) {
    FSM_ASSIGN(const Fd in, memory_file("stdin", input));
    FSM_ASSIGN(const Fd out, memory_file("stdout", ""));
    FSM_ASSIGN(const Fd err, memory_file("stderr", ""));
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return Error::from_errno("make a pipe");
    }
    EndHint hint{Fd(ends[0])};
    Fd held_by_child(ends[1]);
    SpawnSettings settings;
    settings.connect(in, STDIN_FILENO);
    settings.connect(out, STDOUT_FILENO);
    settings.connect(err, STDERR_FILENO);
    settings.connect(held_by_child, STDERR_FILENO + 1);
    FSM_ASSIGN(const pid_t child, settings.spawn(arguments));
    held_by_child.reset();
    FSM_ASSIGN(const auto status, wait_for(child, hint, limit));
    if (!status) {
        FSM_TRY(end(child, hint));
    }
    if (status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0) {
        return content_of(out, kOutputLimit);
    }
    const std::string said = in_one_line(content_of(err, kErrorLimit));
    return Error(arguments[0] + ": " +
                 (status ? how_it_ended(*status)
                         : "not ready after " + std::to_string(limit.count()) + " ms") +
                 (said.empty() ? "" : ": " + said));
}

std::string find_program(const std::string& name) {
    std::string_view directories;
    const std::string path = search_path();
    for (directories = path; !directories.empty();) {
        const auto end = std::min(directories.find(':'), directories.size());
        std::string candidate = std::string(directories.substr(0, end)) + "/" + name;
        if (end != 0 && access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
        directories.remove_prefix(std::min(end + 1, directories.size()));
    }
    return "";
}

}  // namespace fsm
