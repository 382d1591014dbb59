// Starts the workers, handles signals, hands over to a successor.
#pragma once

#include <sys/types.h>

#include <string>
#include <thread>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "relay/config.h"
#include "relay/listeners.h"
#include "relay/report.h"

namespace fsm::test {

class Supervisor {
  public:
    // `command_line` starts the successor.
    Supervisor(const Config& config, const Reporter& reporter,
               std::vector<std::string> command_line)
        : config_(config), reporter_(reporter), command_line_(std::move(command_line)) {}

    // Returns when the relay must end: after SIGTERM or SIGINT, or when it has drained.
    Result<void> run();

  private:
    Result<void> start_workers();
    Result<void> start_worker(ListenerSet listeners, int drain_signal,
                              std::vector<ListenerSet>& of_others);
    void run_worker(ListenerSet listeners, int drain_signal);
    Result<void> announce() const;
    Result<void> serve();
    Result<void> start_successor() const;
    void drain();

    const Config& config_;
    const Reporter& reporter_;
    std::vector<std::string> command_line_;
    std::vector<Fd> drain_signals_;
    std::vector<std::thread> threads_;
    std::vector<pid_t> processes_;
};

}  // namespace fsm::test
