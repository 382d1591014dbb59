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

#include "common/fd.h"

namespace fsm {
namespace {

constexpr const char* kUsualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::size_t kOutputLimit = std::size_t{16} << 20;
constexpr std::size_t kErrorLimit = 2000;

std::string search_path() {
    const char* path = std::getenv("PATH");
    return path == nullptr ? kUsualPath : path;
}

// Files in memory for the child's streams: whatever it writes, and however it ends, nobody waits
// for a pipe.
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
        std::vector<char*> argv;
        for (const std::string& argument : arguments) {
            argv.push_back(const_cast<char*>(argument.c_str()));
        }
        argv.push_back(nullptr);
        std::string path = "PATH=" + search_path();
        char* environment[] = {path.data(), nullptr};
        pid_t child = 0;
        const int failure =
            posix_spawn(&child, argv[0], &actions_, &attributes_, argv.data(), environment);
        if (failure != 0) {
            return Error::from_errno("start " + arguments[0], failure);
        }
        return child;
    }

  private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

// The pipe's other end is the child's alone, and closes with it. False: the time is over.
bool ends_in_time(const Fd& alive, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd waiting{alive.get(), POLLIN, 0};
        const int ready =
            poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        if (ready > 0) {
            return true;
        }
        if (ready == 0 || errno != EINTR) {
            return false;
        }
    }
}

int wait_for(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
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
    const Fd alive(ends[0]);
    Fd held_by_child(ends[1]);
    SpawnSettings settings;
    settings.connect(in, STDIN_FILENO);
    settings.connect(out, STDOUT_FILENO);
    settings.connect(err, STDERR_FILENO);
    settings.connect(held_by_child, STDERR_FILENO + 1);
    FSM_ASSIGN(const pid_t child, settings.spawn(arguments));
    held_by_child.reset();
    const bool in_time = ends_in_time(alive, limit);
    if (!in_time) {
        kill(child, SIGKILL);
    }
    const int status = wait_for(child);
    if (in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return content_of(out, kOutputLimit);
    }
    const std::string said = in_one_line(content_of(err, kErrorLimit));
    return Error(arguments[0] + ": " +
                 (in_time ? how_it_ended(status)
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
