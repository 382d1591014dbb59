#include "cli/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <thread>

#include "common/fd.h"

// NOLINTNEXTLINE(readability-redundant-declaration): POSIX declares it nowhere
extern char** environ;

namespace fsm::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kOutputLimit = std::size_t{64} << 20;
constexpr int kKilled = 128;
constexpr std::chrono::milliseconds kLookAgain{2};

struct Pipe {
    Fd read_end;
    Fd write_end;

    static Result<Pipe> open() {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_CLOEXEC) != 0) {
            return Error::from_errno("make a pipe");
        }
        return Pipe{Fd(ends[0]), Fd(ends[1])};
    }
};

// A child that is killed and reaped unless somebody waited for it.
class Child {
  public:
    explicit Child(pid_t pid) : pid_(pid) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
            }
        }
    }

    // A program may close its outputs long before it ends.
    Result<int> wait(Clock::time_point deadline) {
        int status = 0;
        pid_t ended = 0;
        while ((ended = waitpid(pid_, &status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
            if (Clock::now() >= deadline) {
                return Error("it is not done in time, and was ended");
            }
            std::this_thread::sleep_for(kLookAgain);
        }
        if (ended < 0) {
            return Error::from_errno("wait for its end");
        }
        pid_ = -1;
        return WIFSIGNALED(status) ? kKilled + WTERMSIG(status) : WEXITSTATUS(status);
    }

  private:
    pid_t pid_;
};

struct Pipes {
    Pipe input;
    Pipe output;
    Pipe errors;

    static Result<Pipes> open() {
        FSM_ASSIGN(auto input, Pipe::open());
        FSM_ASSIGN(auto output, Pipe::open());
        FSM_ASSIGN(auto errors, Pipe::open());
        return Pipes{std::move(input), std::move(output), std::move(errors)};
    }
};

Result<pid_t> start(const std::vector<std::string>& command, const Pipes& pipes) {
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const auto& argument : command) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes.input.read_end.get(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes.output.write_end.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes.errors.write_end.get(), STDERR_FILENO);
    // What we ignore, the program must not find ignored.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);

    pid_t pid = -1;
    const int failure =
        posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) {
        return Error::from_errno("start " + command.front(), failure);
    }
    return pid;
}

// Moves bytes between us and the program until it has closed both of its outputs.
class Conversation {
  public:
    Conversation(Pipes pipes, std::string_view input, Clock::time_point deadline)
        : pipes_(std::move(pipes)), input_(input), deadline_(deadline) {}

    Result<ProgramOutcome> hold() {
        pipes_.input.read_end.reset();
        pipes_.output.write_end.reset();
        pipes_.errors.write_end.reset();
        fcntl(pipes_.input.write_end.get(), F_SETFL, O_NONBLOCK);
        if (input_.empty()) {
            pipes_.input.write_end.reset();
        }
        while (pipes_.output.read_end || pipes_.errors.read_end) {
            FSM_TRY(step());
        }
        return std::move(outcome_);
    }

  private:
    Result<void> step() {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
        if (left.count() <= 0) {
            return Error("it is not done in time, and was ended");
        }
        std::array<pollfd, 3> ends = {{{pipes_.output.read_end.get(), POLLIN, 0},
                                       {pipes_.errors.read_end.get(), POLLIN, 0},
                                       {pipes_.input.write_end.get(), POLLOUT, 0}}};
        if (poll(ends.data(), ends.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) {
            return Error::from_errno("wait for its output");
        }
        if (ends[0].revents != 0) {
            FSM_TRY(read_some(pipes_.output.read_end, outcome_.output));
        }
        if (ends[1].revents != 0) {
            FSM_TRY(read_some(pipes_.errors.read_end, outcome_.errors));
        }
        if (ends[2].revents != 0) {
            write_some();
        }
        return {};
    }

    static Result<void> read_some(Fd& end, std::string& target) {
        std::array<char, 65536> buffer{};
        const ssize_t count = read(end.get(), buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) {
            return {};
        }
        if (count <= 0) {
            end.reset();
            return {};
        }
        target.append(buffer.data(), static_cast<std::size_t>(count));
        if (target.size() > kOutputLimit) {
            return Error("its output does not end");
        }
        return {};
    }

    // A program that does not want its input may close it: that is not our failure.
    void write_some() {
        const ssize_t count = write(pipes_.input.write_end.get(), input_.data(), input_.size());
        if (count > 0) {
            input_.remove_prefix(static_cast<std::size_t>(count));
        }
        const bool again = count < 0 && (errno == EAGAIN || errno == EINTR);
        if (input_.empty() || (count < 0 && !again)) {
            pipes_.input.write_end.reset();
        }
    }

    Pipes pipes_;
    std::string_view input_;
    Clock::time_point deadline_;
    ProgramOutcome outcome_;
};

}  // namespace

Result<ProgramOutcome> run_program(const std::vector<std::string>& command, std::string_view input,
                                   std::chrono::seconds limit) {
    const auto deadline = Clock::now() + limit;
    FSM_ASSIGN(auto pipes, Pipes::open());
    FSM_ASSIGN(const pid_t pid, start(command, pipes));
    Child child(pid);
    auto outcome = Conversation(std::move(pipes), input, deadline).hold();
    const auto status = outcome ? child.wait(deadline) : Result<int>(outcome.error());
    if (!status) {
        return Error(status.error()).within("run " + describe_command(command));
    }
    outcome->status = *status;
    return outcome;
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

}  // namespace fsm::cli
