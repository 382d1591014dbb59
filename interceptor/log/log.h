// The interceptor's log: lines on standard error.
//
// This header does not include spdlog, whose headers make every source compile all of fmt's
// formatting again. Arguments are only collected here; log.cpp formats them. Formats are checked at
// compile time. Nothing here throws. Threads: any.
#pragma once

#include <fmt/core.h>

#include <string>

namespace fsm::log {

// The lowest level that is written: "trace", "debug", "info" (the default), "warn", "error" or
// "off". Not while other threads log.
void set_up(const std::string& level);

enum class Level { debug, info, warning, error };

void write(Level level, fmt::string_view format, fmt::format_args arguments);

template <typename... T>
void debug(fmt::format_string<T...> format, T&&... arguments) {
    write(Level::debug, format, fmt::make_format_args(arguments...));
}

template <typename... T>
void info(fmt::format_string<T...> format, T&&... arguments) {
    write(Level::info, format, fmt::make_format_args(arguments...));
}

template <typename... T>
void warn(fmt::format_string<T...> format, T&&... arguments) {
    write(Level::warning, format, fmt::make_format_args(arguments...));
}

template <typename... T>
void error(fmt::format_string<T...> format, T&&... arguments) {
    write(Level::error, format, fmt::make_format_args(arguments...));
}

}  // namespace fsm::log
