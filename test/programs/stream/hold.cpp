// hold: many connections open at once, kept until standard input ends. Each does a request after it
// was opened and again at the end, so that a dead one is detected.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "net/options.h"
#include "stream/loader.h"
#include "stream/modes.h"

namespace fsm::test {

namespace {

struct Counts {
    std::uint64_t good = 0;
    std::uint64_t bad = 0;
};

Result<void> request(const Fd& fd) {
    std::array<std::byte, 1> byte{};
    FSM_TRY(send_all(fd.get(), byte));
    return receive_all(fd.get(), byte);
}

Result<Fd> open_one(const Endpoint& target) {
    FSM_ASSIGN(Fd fd, connect_to(target, kPatience));
    Hello hello;
    hello.request = Request::load;
    hello.request_size = 1;
    hello.response_size = 1;
    FSM_TRY(send_all(fd.get(), as_bytes(hello)));
    FSM_TRY(request(fd));
    return fd;
}

// A process with its share of the connections. It reports Counts after opening and again when
// `go_on` ends.
class Holder {
  public:
    Holder(const std::vector<Endpoint>& targets, std::uint64_t first, std::uint64_t count)
        : targets_(targets), first_(first), count_(count) {}

    void run(const Fd& reports, const Fd& go_on) {
        report(reports, open_all());
        char byte = 0;
        while (::read(go_on.get(), &byte, 1) > 0) {
        }
        report(reports, ask_all());
    }

  private:
    Counts open_all() {
        Counts counts;
        for (std::uint64_t i = 0; i < count_; ++i) {
            auto fd = open_one(targets_[(first_ + i) % targets_.size()]);
            if (fd) {
                ++counts.good;
                held_.push_back(std::move(*fd));
            } else if (++counts.bad == 1) {
                std::fprintf(stderr, "stream hold: %s\n", fd.error().message().c_str());
            }
        }
        return counts;
    }

    Counts ask_all() {
        Counts counts;
        for (Fd& fd : held_) {
            if (request(fd)) {
                ++counts.good;
            } else {
                ++counts.bad;
            }
            reset_and_close(std::move(fd));  // leaves no TIME_WAIT behind
        }
        return counts;
    }

    static void report(const Fd& reports, const Counts& counts) {
        if (::write(reports.get(), &counts, sizeof(counts)) != sizeof(counts)) {
            std::perror("stream hold: report");
        }
    }

    const std::vector<Endpoint>& targets_;
    std::uint64_t first_;
    std::uint64_t count_;
    std::vector<Fd> held_;
};

Result<Counts> collect(const Fd& reports, std::uint64_t processes) {
    Counts sum;
    for (std::uint64_t i = 0; i < processes; ++i) {
        Counts counts;
        if (::read(reports.get(), &counts, sizeof(counts)) != sizeof(counts)) {
            return Error("a holding process ended early");
        }
        sum.good += counts.good;
        sum.bad += counts.bad;
    }
    return sum;
}

struct Pipe {
    Fd read;
    Fd write;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (pipe(ends) != 0) {
        return Error::from_errno("pipe");
    }
    return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Result<int> hold(const std::vector<Endpoint>& targets, std::uint64_t count,
                 std::uint64_t processes) {
    FSM_ASSIGN(Pipe reports, make_pipe());
    FSM_ASSIGN(Pipe go_on, make_pipe());
    for (std::uint64_t i = 0; i < processes; ++i) {
        const std::uint64_t first = count * i / processes;
        const std::uint64_t end = count * (i + 1) / processes;
        const pid_t pid = fork();
        if (pid < 0) {
            return Error::from_errno("fork");
        }
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            go_on.write.reset();
            Holder(targets, first, end - first).run(reports.write, go_on.read);
            _exit(0);
        }
    }
    reports.write.reset();
    FSM_ASSIGN(const Counts opened, collect(reports.read, processes));
    std::printf("{\"opened\": %lu, \"failed\": %lu}\n", opened.good, opened.bad);
    std::fflush(stdout);
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    go_on.write.reset();
    FSM_ASSIGN(const Counts alive, collect(reports.read, processes));
    while (wait(nullptr) > 0) {
    }
    std::printf("{\"alive\": %lu, \"lost\": %lu}\n", alive.good, alive.bad);
    return opened.bad == 0 && alive.bad == 0 ? 0 : 1;
}

}  // namespace

Result<int> run_hold(const Arguments& arguments) {
    FSM_ASSIGN(const Options options,
               Options::parse(arguments, {"address", "port", "count", "processes"}, {}));
    FSM_ASSIGN(const auto targets,
               parse_targets(options.text("address", "127.0.0.1"), options.text("port", "8080")));
    FSM_ASSIGN(const std::uint64_t count, options.number("count", 100));
    FSM_ASSIGN(const std::uint64_t processes, options.number("processes", 1));
    if (processes == 0) {
        return Error("--processes: at least 1", EINVAL);
    }
    raise_file_limit();
    return hold(targets, count, processes);
}

}  // namespace fsm::test
