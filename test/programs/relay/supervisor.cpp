#include "relay/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>

#include "common/file.h"
#include "net/options.h"
#include "relay/worker.h"

namespace fsm::test {

namespace {

constexpr const char* kReadyVariable = "FSM_RELAY_READY_FD";
constexpr int kSuccessorTimeoutMs = 10'000;

sigset_t handled_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGUSR2}) {
        sigaddset(&set, signal);
    }
    return set;
}

Result<void> tell_predecessor() {
    const char* text = std::getenv(kReadyVariable);
    if (text == nullptr) {
        return {};
    }
    FSM_ASSIGN(const std::uint64_t number, parse_number(text, 1 << 20));
    const Fd fd(static_cast<int>(number));
    unsetenv(kReadyVariable);
    if (::write(fd.get(), "r", 1) != 1) {
        return Error::from_errno("tell the predecessor that everything listens");
    }
    return {};
}

Result<void> await_ready(const Fd& fd) {
    pollfd waiting{fd.get(), POLLIN, 0};
    if (poll(&waiting, 1, kSuccessorTimeoutMs) != 1) {
        return Error("the successor did not listen in time", ETIMEDOUT);
    }
    char byte = 0;
    if (::read(fd.get(), &byte, 1) != 1) {
        return Error("the successor ended before it listened");
    }
    return {};
}

std::vector<char*> as_argv(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    pointers.reserve(strings.size() + 1);
    for (std::string& text : strings) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

Result<void> Supervisor::run() {
    const sigset_t signals = handled_signals();
    if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) {
        return Error::from_errno("block signals");
    }
    FSM_TRY(start_workers());
    FSM_TRY(announce());
    return serve();
}

Result<void> Supervisor::start_workers() {
    // All workers listen before the first one starts, so that readiness means all of them.
    std::vector<ListenerSet> sets;
    for (std::uint64_t i = 0; i < config_.workers; ++i) {
        FSM_ASSIGN(ListenerSet listeners, open_listeners(config_));
        sets.push_back(std::move(listeners));
        drain_signals_.emplace_back(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!drain_signals_.back()) {
            return Error::from_errno("eventfd");
        }
    }
    for (std::uint64_t i = 0; i < config_.workers; ++i) {
        FSM_TRY(start_worker(std::move(sets[i]), drain_signals_[i].get(), sets));
    }
    return {};
}

Result<void> Supervisor::start_worker(ListenerSet listeners, int drain_signal,
                                      std::vector<ListenerSet>& of_others) {
    if (config_.worker_kind == WorkerKind::thread) {
        threads_.emplace_back([this, drain_signal, set = std::move(listeners)]() mutable {
            run_worker(std::move(set), drain_signal);
        });
        return {};
    }
    const pid_t pid = fork();
    if (pid < 0) {
        return Error::from_errno("fork a worker");
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        // A listener exists as long as any process holds it.
        of_others.clear();
        run_worker(std::move(listeners), drain_signal);
        _exit(0);
    }
    processes_.push_back(pid);
    return {};
}

void Supervisor::run_worker(ListenerSet listeners, int drain_signal) {
    Worker worker(config_, reporter_, std::move(listeners), drain_signal);
    if (auto result = worker.run(); !result) {
        std::fprintf(stderr, "relay: worker: %s\n", result.error().message().c_str());
        _exit(1);
    }
}

Result<void> Supervisor::announce() const {
    if (config_.pid_path) {
        FSM_TRY(write_file_atomically(*config_.pid_path, std::to_string(getpid()) + "\n", 0644));
    }
    return tell_predecessor();
}

Result<void> Supervisor::serve() {
    const sigset_t signals = handled_signals();
    while (true) {
        int signal = 0;
        if (const int error = sigwait(&signals, &signal); error != 0) {
            return Error::from_errno("sigwait", error);
        }
        if (signal != SIGUSR2) {
            _exit(0);  // the workers end with it, open connections are cut
        }
        if (auto started = start_successor(); !started) {
            std::fprintf(stderr, "relay: reload: %s\n", started.error().message().c_str());
            continue;
        }
        drain();
        return {};
    }
}

Result<void> Supervisor::start_successor() const {
    if (!config_.reuse_port) {
        return Error("needs --reuse-port", EINVAL);
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return Error::from_errno("pipe");
    }
    const Fd ready(ends[0]);
    // dup() drops close-on-exec: only this copy reaches the successor.
    Fd inherited(::dup(ends[1]));
    ::close(ends[1]);
    if (!inherited) {
        return Error::from_errno("dup");
    }
    std::vector<std::string> environment = {std::string(kReadyVariable) + "=" +
                                            std::to_string(inherited.get())};
    for (char** entry = environ; *entry != nullptr; ++entry) {
        environment.emplace_back(*entry);
    }
    std::vector<std::string> arguments = command_line_;
    pid_t pid = 0;
    const int error = posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr,
                                  as_argv(arguments).data(), as_argv(environment).data());
    if (error != 0) {
        return Error::from_errno("start the successor", error);
    }
    inherited.reset();
    return await_ready(ready);
}

void Supervisor::drain() {
    const sigset_t signals = handled_signals();
    sigprocmask(SIG_UNBLOCK, &signals, nullptr);  // SIGTERM ends the draining process too
    for (const Fd& signal : drain_signals_) {
        const std::uint64_t one = 1;
        if (::write(signal.get(), &one, sizeof(one)) != sizeof(one)) {
            std::perror("relay: tell a worker to drain");
        }
    }
    for (std::thread& thread : threads_) {
        thread.join();
    }
    for (const pid_t pid : processes_) {
        waitpid(pid, nullptr, 0);
    }
}

}  // namespace fsm::test
