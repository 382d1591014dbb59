#include "interceptor/client/commands.h"

#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "interceptor/client/answer.h"
#include "interceptor/client/status_view.h"

namespace fsm {

namespace {

using nlohmann::json;

constexpr const char* kClearScreen = "\033[H\033[2J";

ExitStatus fail(const Error& failure) {
    std::cerr << "fsm-interceptor: " << failure.message() << "\n";
    return exit_status_of(failure);
}

ExitStatus always_ok(const json& /*answer*/) {
    return ExitStatus::ok;
}

// Prints an answer as it is, or as `text` makes it. `judge` has the exit status.
template <typename Text, typename Judge = ExitStatus (*)(const json&)>
ExitStatus print_body(const Result<std::string>& body, OutputFormat format, const Text& text,
                      const Judge& judge = always_ok) {
    if (!body) {
        return fail(body.error());
    }
    try {
        const auto answer = json::parse(*body);
        std::cout << (format == OutputFormat::json ? *body : text(answer)) << std::flush;
        return judge(answer);
    } catch (const json::exception& failure) {
        return fail(Error(std::string("unexpected answer of the interceptor: ") + failure.what()));
    }
}

// The body of POST /v1/log.
std::string log_change(const std::vector<std::string>& changes) {
    json wanted = json::object();
    for (const std::string& change : changes) {
        const auto equals = change.find('=');
        if (equals == std::string::npos) {
            wanted["level"] = change;
        } else {
            wanted["levels"][change.substr(0, equals)] = change.substr(equals + 1);
        }
    }
    return wanted.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<std::string> connections_once(const std::string& socket, const ClientOptions& options) {
    FSM_ASSIGN(const auto lines, ask_interceptor(socket, "/v1/connections"));
    FSM_ASSIGN(const auto chosen, choose_connections(lines, options.connections));
    return connections_text(chosen, options.output);
}

}  // namespace

ExitStatus print_status(const std::string& socket, const ClientOptions& options) {
    return print_body(ask_interceptor(socket, "/v1/status"), options.output, status_text,
                      [](const json& answer) {
                          return is_degraded(answer) ? ExitStatus::degraded : ExitStatus::ok;
                      });
}

ExitStatus print_pods(const std::string& socket, const ClientOptions& options) {
    return print_body(ask_interceptor(socket, "/v1/pods"), options.output,
                      [&](const json& answer) { return pods_text(answer, options.output); });
}

ExitStatus print_counters(const std::string& socket, const ClientOptions& options) {
    return print_body(ask_interceptor(socket, "/v1/counters"), options.output, counters_text);
}

ExitStatus change_log(const std::string& socket, const ClientOptions& options,
                      const std::vector<std::string>& changes) {
    const auto body = changes.empty() ? ask_interceptor(socket, "/v1/log")
                                      : tell_interceptor(socket, "/v1/log", log_change(changes));
    return print_body(body, options.output, levels_text);
}

ExitStatus print_answer(const std::string& socket, const std::string& path) {
    const auto body = ask_interceptor(socket, path);
    if (!body) {
        return fail(body.error());
    }
    std::cout << *body << std::flush;
    return ExitStatus::ok;
}

ExitStatus print_connections(const std::string& socket, const ClientOptions& options) {
    auto text = connections_once(socket, options);
    if (!text) {
        return fail(text.error());
    }
    // A terminal shows the latest list, a file or a pipe gets them one after the other.
    const bool screen = options.watch && isatty(STDOUT_FILENO) == 1;
    while (true) {
        if (text) {
            std::cout << (screen ? kClearScreen : "") << *text << std::flush;
        } else {
            fail(text.error());  // it may be replaced at this moment
        }
        if (!options.watch || !std::cout) {
            return ExitStatus::ok;
        }
        std::this_thread::sleep_for(*options.watch);
        text = connections_once(socket, options);
    }
}

ExitStatus probe(const std::string& socket, const std::string& path) {
    const auto body = ask_interceptor(socket, path);
    if (body) {
        return ExitStatus::ok;
    }
    fail(body.error());
    return ExitStatus::failed;
}

}  // namespace fsm
