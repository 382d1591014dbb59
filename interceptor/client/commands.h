// The commands that ask a running interceptor. Each prints its answer on standard output, or why
// there is none on standard error, and returns the exit status.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "interceptor/client/connection_view.h"
#include "interceptor/client/exit_status.h"
#include "interceptor/client/output.h"

namespace fsm {

// What the flags of these commands say.
struct ClientOptions {
    OutputFormat output = OutputFormat::text;
    ConnectionQuery connections;
    std::optional<std::chrono::milliseconds> watch;  // print again and again, with this pause
};

ExitStatus print_status(const std::string& socket, const ClientOptions& options);
ExitStatus print_pods(const std::string& socket, const ClientOptions& options);
ExitStatus print_counters(const std::string& socket, const ClientOptions& options);
// With `watch`, ends by a signal only, once an interceptor has answered.
ExitStatus print_connections(const std::string& socket, const ClientOptions& options);

// `changes`: LEVEL for every module, MODULE=LEVEL for one; none: prints the levels only.
ExitStatus change_log(const std::string& socket, const ClientOptions& options,
                      const std::vector<std::string>& changes);

// The answer to GET `path`, as it is.
ExitStatus print_answer(const std::string& socket, const std::string& path);

// Whether GET `path` ("/healthz", "/readyz") succeeds, for container probes: ok or failed.
ExitStatus probe(const std::string& socket, const std::string& path);

}  // namespace fsm
