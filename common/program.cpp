#include "common/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <thread>

#include "common/fd.h"
#include "common/pipe.h"

// NOLINTNEXTLINE(readability-redundant-declaration): POSIX declares it nowhere
extern char** environ;

namespace fsm {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char* kUsualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// A killed process that still exists after this hangs in the kernel.
constexpr milliseconds kTimeToDie{1000};
// An output can stay open after the program has ended (in a process that it started), and can be
// closed long before its end: so the end is also polled at these intervals.
constexpr milliseconds kLookAgain{100};
constexpr milliseconds kShortestPause{1};
constexpr milliseconds kLongestPause{10};

// The standard input as a memory file, which a program may ignore.
Result<Fd> memory_file(std::string_view content) {
    Fd file(memfd_create("stdin", MFD_CLOEXEC));
    if (!file) {
        return Error::from_errno("make a file in memory");
    }
    while (!content.empty()) {
        const ssize_t count = write(file.get(), content.data(), content.size());
        if (count < 0) {
            return Error::from_errno("write to a file in memory");
        }
        content.remove_prefix(static_cast<std::size_t>(count));
    }
    lseek(file.get(), 0, SEEK_SET);
    return file;
}

// For posix_spawn, which does not change them.
std::vector<char*> null_terminated(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const std::string& text : texts) {
        pointers.push_back(const_cast<char*>(text.c_str()));
    }
    pointers.push_back(nullptr);
    return pointers;
}

class SpawnSettings {
  public:
    SpawnSettings() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
        // The child must not inherit blocked or ignored signals.
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

    void connect(int ours, int theirs) {
        posix_spawn_file_actions_adddup2(&actions_, ours, theirs);
    }
    Result<pid_t> spawn(const Program& program) const {
        const auto arguments = null_terminated(program.command);
        const auto environment = program.environment.value_or(std::vector<std::string>());
        const auto variables = null_terminated(environment);
        pid_t child = -1;
        const int failure =
            posix_spawnp(&child, arguments[0], &actions_, &attributes_, arguments.data(),
                         program.environment ? variables.data() : environ);
        if (failure != 0) {
            return Error::from_errno("start " + program.command.front(), failure);
        }
        return child;
    }

  private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

milliseconds time_until(Clock::time_point moment) {
    const auto left = std::chrono::ceil<milliseconds>(moment - Clock::now());
    return std::max(left, milliseconds(0));
}

// One of the program's outputs. The pipe is closed when all processes that have it have closed it.
class OutputReader {
  public:
    OutputReader(Fd pipe, std::string& target) : pipe_(std::move(pipe)), target_(target) {
        fcntl(pipe_.get(), F_SETFL, O_NONBLOCK);
    }

    bool is_open() const { return static_cast<bool>(pipe_); }
    pollfd waiting() const { return {pipe_.get(), POLLIN, 0}; }

    // Reads the available data. False: it exceeds `limit`.
    bool read_some(std::size_t limit) {
        std::array<char, 65536> buffer;  // NOLINT: read() fills it
        while (pipe_) {
            const ssize_t count = read(pipe_.get(), buffer.data(), buffer.size());
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count < 0 && errno == EAGAIN) {
                return true;
            }
            if (count <= 0) {
                pipe_.reset();
                return true;
            }
            const auto room = limit - target_.size();
            target_.append(buffer.data(), std::min(static_cast<std::size_t>(count), room));
            if (static_cast<std::size_t>(count) > room) {
                return false;
            }
        }
        return true;
    }

  private:
    Fd pipe_;
    std::string& target_;
};

// A child that is killed unless it has ended.
class Child {
  public:
    explicit Child(pid_t pid) : pid_(pid) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (!ended_) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, WNOHANG);
        }
    }

    // Does not block.
    Result<bool> has_ended() {
        if (!ended_) {
            const pid_t ended = waitpid(pid_, &status_, WNOHANG);
            if (ended < 0 && errno != EINTR) {
                return Error::from_errno("wait for process " + std::to_string(pid_));
            }
            ended_ = ended == pid_;
        }
        return ended_;
    }

    // Kills it, unless it has ended.
    Result<void> end() {
        if (!ended_) {
            kill(pid_, SIGKILL);
        }
        const auto deadline = Clock::now() + kTimeToDie;
        for (;;) {
            FSM_ASSIGN(const bool ended, has_ended());
            if (ended) {
                return {};
            }
            if (Clock::now() >= deadline) {
                return Error("process " + std::to_string(pid_) +
                                 " is not done in time, and does not end when it is killed: it "
                                 "hangs in the kernel",
                             ETIMEDOUT);
            }
            std::this_thread::sleep_for(kShortestPause);
        }
    }

    // The status; only after has_ended() was true.
    int wait_status() const { return status_; }

  private:
    pid_t pid_;
    int status_ = 0;
    bool ended_ = false;
};

// The running program and its output.
class Run {
  public:
    Run(const Program& program, pid_t child, Fd output, Fd errors)
        : program_(program),
          child_(child),
          output_(std::move(output), outcome_.output),
          errors_(std::move(errors), outcome_.errors),
          deadline_(Clock::now() + program.time_limit) {}

    Result<ProgramOutcome> wait() {
        for (;;) {
            // Checked before the last read: all output is in the pipe when the program has ended.
            FSM_ASSIGN(const bool ended, child_.has_ended());
            if (!output_.read_some(program_.output_limit) ||
                !errors_.read_some(program_.output_limit)) {
                return stop(ProgramEnd::too_much_output);
            }
            hand_over_output();
            if (ended) {
                return finished();
            }
            const auto left = time_until(deadline_);
            if (left.count() == 0) {
                return stop(ProgramEnd::out_of_time);
            }
            sleep(left);
        }
    }

  private:
    void hand_over_output() {
        if (program_.on_output && !outcome_.output.empty()) {
            program_.on_output(outcome_.output);
            outcome_.output.clear();
        }
    }

    // Waits for output, or until the program may have ended.
    void sleep(milliseconds longest) {
        if (!output_.is_open() && !errors_.is_open()) {
            std::this_thread::sleep_for(std::min(longest, pause_));
            pause_ = std::min(pause_ * 2, kLongestPause);
            return;
        }
        std::array<pollfd, 2> outputs = {output_.waiting(), errors_.waiting()};
        poll(outputs.data(), outputs.size(),
             static_cast<int>(std::min(longest, kLookAgain).count()));
    }

    Result<ProgramOutcome> stop(ProgramEnd reason) {
        FSM_TRY(child_.end());
        outcome_.end = reason;
        return std::move(outcome_);
    }

    ProgramOutcome finished() {
        const int status = child_.wait_status();
        outcome_.end = WIFEXITED(status) ? ProgramEnd::exited : ProgramEnd::signalled;
        outcome_.number = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
        return std::move(outcome_);
    }

    const Program& program_;
    Child child_;
    ProgramOutcome outcome_;
    OutputReader output_;
    OutputReader errors_;
    Clock::time_point deadline_;
    milliseconds pause_ = kShortestPause;
};

std::string in_words(milliseconds time) {
    return time.count() % 1000 == 0 ? std::to_string(time.count() / 1000) + " s"
                                    : std::to_string(time.count()) + " ms";
}

}  // namespace

Result<ProgramOutcome> run_program(const Program& program) {
    Fd text;
    if (program.input_fd < 0) {
        FSM_ASSIGN(text, memory_file(program.input));
    }
    FSM_ASSIGN(auto output, Pipe::open());
    FSM_ASSIGN(auto errors, Pipe::open());
    SpawnSettings settings;
    settings.connect(program.input_fd < 0 ? text.get() : program.input_fd, STDIN_FILENO);
    settings.connect(output.write_end.get(), STDOUT_FILENO);
    settings.connect(errors.write_end.get(), STDERR_FILENO);
    FSM_ASSIGN(const pid_t child, settings.spawn(program));
    output.write_end.reset();
    errors.write_end.reset();
    return Run(program, child, std::move(output.read_end), std::move(errors.read_end)).wait();
}

std::string describe_end(const Program& program, const ProgramOutcome& outcome) {
    switch (outcome.end) {
        case ProgramEnd::exited:
            return "exit status " + std::to_string(outcome.number);
        case ProgramEnd::signalled:
            return "signal " + std::to_string(outcome.number);
        case ProgramEnd::out_of_time:
            return "it is not done after " + in_words(program.time_limit) + ", and was ended";
        case ProgramEnd::too_much_output:
            return "it wrote more than " + std::to_string(program.output_limit) +
                   " bytes, and was ended";
    }
    return "";
}

std::string describe_failure(const Program& program, const ProgramOutcome& outcome,
                             const std::string& words) {
    if (words.empty()) {
        return describe_end(program, outcome);
    }
    return outcome.end == ProgramEnd::exited ? words
                                             : describe_end(program, outcome) + ": " + words;
}

std::string describe_command(const std::vector<std::string>& command) {
    std::string text;
    for (const auto& argument : command) {
        const bool plain =
            !argument.empty() &&
            argument.find_first_of(" \t\n\"'\\$&|;<>(){}*?`!#~") == std::string::npos;
        text += (text.empty() ? "" : " ") + (plain ? argument : "'" + argument + "'");
    }
    return text;
}

std::string program_search_path() {
    // The environment is never changed after the start, so getenv is safe.
    const char* value = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe)
    return value == nullptr ? kUsualPath : value;
}

std::string find_program(const std::string& name) {
    const std::string path = program_search_path();
    for (std::string_view directories = path; !directories.empty();) {
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
