// load: requests on open connections, for a given time or until SIGTERM.
#include <csignal>
#include <cstdio>

#include "net/options.h"
#include "stream/loader.h"
#include "stream/modes.h"

namespace fsm::test {

namespace {

volatile std::sig_atomic_t told_to_end = 0;

void print(LoaderResult& result) {
    std::uint64_t errors = 0;
    std::uint64_t connect_errors = 0;
    for (const auto& [name, count] : result.request_errors) {
        errors += count;
    }
    for (const auto& [name, count] : result.connect_errors) {
        connect_errors += count;
    }
    std::printf(
        "{\"requests\": %lu, \"errors\": %lu, \"connect_errors\": %lu, \"connections\": %lu, "
        "\"seconds\": %.3f, \"requests_per_second\": %.1f, \"p50_us\": %u, \"p99_us\": %u, "
        "\"max_us\": %u, \"waiting_us\": %u, \"error_kinds\": %s, \"connect_error_kinds\": %s}\n",
        result.requests, errors, connect_errors, result.connected, result.seconds,
        static_cast<double>(result.requests) / result.seconds, percentile(result.latencies_us, 0.5),
        percentile(result.latencies_us, 0.99), percentile(result.latencies_us, 1.0),
        result.waiting_us, to_json(result.request_errors).c_str(),
        to_json(result.connect_errors).c_str());
}

}  // namespace

Result<int> run_load(const Arguments& arguments) {
    FSM_ASSIGN(
        const Options options,
        Options::parse(arguments,
                       {"address", "port", "connections", "seconds", "size", "request", "response",
                        "requests-per-connection", "connections-per-second", "at-least"},
                       {}));
    LoaderSettings settings;
    FSM_ASSIGN(settings.targets,
               parse_targets(options.text("address", "127.0.0.1"), options.text("port", "8080")));
    FSM_ASSIGN(settings.connections, options.number("connections", 1));
    FSM_ASSIGN(const std::uint64_t seconds, options.number("seconds", 5));
    settings.duration = std::chrono::seconds(seconds);
    FSM_ASSIGN(const std::uint64_t size, options.number("size", 1024));
    FSM_ASSIGN(settings.request_size, options.number("request", size));
    FSM_ASSIGN(settings.response_size, options.number("response", size));
    FSM_ASSIGN(settings.requests_per_connection, options.number("requests-per-connection", 0));
    FSM_ASSIGN(const std::uint64_t pace, options.number("connections-per-second", 0));
    if (pace != 0) {
        settings.connections_per_second = pace;
    }
    FSM_ASSIGN(settings.at_least_requests, options.number("at-least", 0));
    settings.told_to_end = [] { return told_to_end != 0; };
    std::signal(SIGTERM, [](int) { told_to_end = 1; });
    if (settings.request_size == 0 || settings.response_size == 0 || settings.connections == 0) {
        return Error("sizes and connections must be at least 1", EINVAL);
    }
    raise_file_limit();
    FSM_ASSIGN(LoaderResult result, run_loader(settings));
    print(result);
    const bool clean = result.request_errors.empty() && result.connect_errors.empty();
    return clean && result.requests > 0 ? 0 : 1;
}

}  // namespace fsm::test
