// connects: a number of short connections, and their results.
#include <cstdio>

#include "net/options.h"
#include "stream/loader.h"
#include "stream/modes.h"

namespace fsm::test {

namespace {

void print(LoaderResult& result) {
    const std::uint64_t refused = result.connect_errors["ECONNREFUSED"];
    result.connect_errors.erase("ECONNREFUSED");
    std::uint64_t other = 0;
    for (const auto& [name, count] : result.connect_errors) {
        other += count;
    }
    for (const auto& [name, count] : result.request_errors) {
        other += count;
    }
    std::printf(
        "{\"success\": %lu, \"refused\": %lu, \"other\": %lu, \"seconds\": %.3f, "
        "\"per_second\": %.1f, \"p50_us\": %u, \"p99_us\": %u, \"connect_error_kinds\": %s, "
        "\"request_error_kinds\": %s}\n",
        result.closed_in_turn, refused, other, result.seconds,
        static_cast<double>(result.closed_in_turn + refused) / result.seconds,
        percentile(result.latencies_us, 0.5), percentile(result.latencies_us, 0.99),
        to_json(result.connect_errors).c_str(), to_json(result.request_errors).c_str());
}

Result<CloseWith> parse_close(const std::string& text) {
    if (text != "fin" && text != "reset") {
        return Error("--close: \"" + text + "\" is not fin or reset", EINVAL);
    }
    return text == "fin" ? CloseWith::fin : CloseWith::reset;
}

}  // namespace

Result<int> run_connects(const Arguments& arguments) {
    FSM_ASSIGN(const Options options,
               Options::parse(
                   arguments,
                   {"address", "port", "count", "seconds", "concurrency", "size", "close"}, {}));
    LoaderSettings settings;
    FSM_ASSIGN(settings.targets,
               parse_targets(options.text("address", "127.0.0.1"), options.text("port", "8080")));
    FSM_ASSIGN(settings.connections, options.number("concurrency", 16));
    FSM_ASSIGN(settings.request_size, options.number("size", 0));
    settings.response_size = settings.request_size;
    settings.requests_per_connection = 1;
    FSM_ASSIGN(settings.close_with, parse_close(options.text("close", "fin")));
    if (options.has("count") == options.has("seconds")) {
        return Error("exactly one of --count and --seconds says when to end", EINVAL);
    }
    if (options.has("count")) {
        FSM_ASSIGN(settings.total_connections, options.number("count", 0));
    } else {
        FSM_ASSIGN(const std::uint64_t seconds, options.number("seconds", 0));
        settings.duration = std::chrono::seconds(seconds);
    }
    raise_file_limit();
    FSM_ASSIGN(LoaderResult result, run_loader(settings));
    print(result);
    return 0;  // the caller decides whether refusals are expected
}

}  // namespace fsm::test
