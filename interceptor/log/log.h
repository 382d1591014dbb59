// The interceptor's log: lines on standard error.
//
// A line belongs to a module, the folder of the source that writes it, and each module has its own
// level, which can be changed at any time. A line about a pod names it first (log::Pod), so that
// every line of one pod is found by its name: in text as pod=NAMESPACE/NAME, in JSON in the member
// "pod".
//
// This header does not include spdlog, whose headers make every source compile all of fmt's
// formatting again. Arguments are only collected here; log.cpp formats them. Formats are checked at
// compile time. Nothing here throws. Threads: any.
#pragma once

#include <fmt/core.h>

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace fsm::log {

enum class Level : std::uint8_t { trace, debug, info, warning, error, off };

// What --verbosity and logLevel accept: "trace", "debug", "info", "warn", "error", "off", and what
// FSM's programs accept, too ("warning", "fatal", "panic", "disabled"). In any letter case.
std::optional<Level> parse_level(std::string_view text);
// "warn" for warning.
std::string_view to_string(Level level);

// `daemon` is everything that no other module has.
enum class Module : std::uint8_t { daemon, api, health, install, kubernetes, sync };
inline constexpr std::array kModules = {Module::daemon,  Module::api,        Module::health,
                                        Module::install, Module::kubernetes, Module::sync};

constexpr std::string_view to_string(Module module) {
    constexpr std::array<std::string_view, kModules.size()> kNames = {
        "daemon", "api", "health", "install", "kubernetes", "sync"};
    return kNames[static_cast<std::size_t>(module)];
}

std::optional<Module> parse_module(std::string_view text);

// By the path of a source: interceptor/MODULE/file.cpp.
constexpr Module module_of(std::string_view path) {
    constexpr std::string_view kParent = "interceptor/";
    const auto at = path.rfind(kParent);
    const auto folder = at == std::string_view::npos ? path : path.substr(at + kParent.size());
    for (const Module module : kModules) {
        const std::string_view name = to_string(module);
        if (folder.starts_with(name) && folder.substr(name.size()).starts_with('/')) {
            return module;
        }
    }
    return Module::daemon;
}

enum class Format : std::uint8_t { text, json };

// The lowest level of every module, and the form of lines. Not while other threads log.
void set_up(Level level, Format format = Format::text);

Level level_of(Module module);
void set_level(Module module, Level level);

// The pod that a line is about: "NAMESPACE/NAME"; empty: unknown.
struct Pod {
    std::string_view name;
};

void write(Level level, Module module, Pod pod, fmt::string_view format,
           fmt::format_args arguments);

// A format that knows where it is written.
template <typename... T>
struct Line {
    template <typename Text>
    requires std::convertible_to<const Text&, std::string_view>
    consteval Line(  // NOLINT: a literal is a line
        const Text& text, const char* file = __builtin_FILE())
        : format(text), module(module_of(file)) {}

    fmt::format_string<T...> format;
    Module module;
};

template <typename... T>
using LineOf = Line<std::type_identity_t<T>...>;

template <typename... T>
void debug(LineOf<T...> line, T&&... arguments) {
    write(Level::debug, line.module, {}, line.format, fmt::make_format_args(arguments...));
}
template <typename... T>
void debug(Pod pod, LineOf<T...> line, T&&... arguments) {
    write(Level::debug, line.module, pod, line.format, fmt::make_format_args(arguments...));
}

template <typename... T>
void info(LineOf<T...> line, T&&... arguments) {
    write(Level::info, line.module, {}, line.format, fmt::make_format_args(arguments...));
}
template <typename... T>
void info(Pod pod, LineOf<T...> line, T&&... arguments) {
    write(Level::info, line.module, pod, line.format, fmt::make_format_args(arguments...));
}

template <typename... T>
void warn(LineOf<T...> line, T&&... arguments) {
    write(Level::warning, line.module, {}, line.format, fmt::make_format_args(arguments...));
}
template <typename... T>
void warn(Pod pod, LineOf<T...> line, T&&... arguments) {
    write(Level::warning, line.module, pod, line.format, fmt::make_format_args(arguments...));
}

template <typename... T>
void error(LineOf<T...> line, T&&... arguments) {
    write(Level::error, line.module, {}, line.format, fmt::make_format_args(arguments...));
}
template <typename... T>
void error(Pod pod, LineOf<T...> line, T&&... arguments) {
    write(Level::error, line.module, pod, line.format, fmt::make_format_args(arguments...));
}

}  // namespace fsm::log
