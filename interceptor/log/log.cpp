#include "interceptor/log/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

namespace fsm::log {
namespace {

constexpr std::array<std::pair<std::string_view, Level>, 10> kLevelNames = {{
    {"trace", Level::trace},
    {"debug", Level::debug},
    {"info", Level::info},
    {"warn", Level::warning},
    {"error", Level::error},
    {"off", Level::off},
    {"warning", Level::warning},
    // Of FSM's levels above error, which no line here has.
    {"fatal", Level::error},
    {"panic", Level::error},
    {"disabled", Level::off},
}};

// By module.
std::array<std::atomic<Level>, kModules.size()> levels;
std::atomic<Format> format_of_lines = Format::text;

std::atomic<Level>& level_at(Module module) {
    return levels[static_cast<std::size_t>(module)];
}

spdlog::level::level_enum spdlogs(Level level) {
    switch (level) {
        case Level::trace:
            return spdlog::level::trace;
        case Level::debug:
            return spdlog::level::debug;
        case Level::info:
            return spdlog::level::info;
        case Level::warning:
            return spdlog::level::warn;
        case Level::error:
            return spdlog::level::err;
        case Level::off:
            break;
    }
    return spdlog::level::off;
}

// "/" is the name of a container that is no pod.
bool is_known(Pod pod) {
    return pod.name.size() > 1;
}

std::string text_line(Module module, Pod pod, const std::string& message) {
    const std::string about = is_known(pod) ? fmt::format("pod={} ", pod.name) : "";
    return fmt::format("[{}] {}{}", to_string(module), about, message);
}

// Without its braces: spdlog's pattern has the time before it.
std::string json_members(Level level, Module module, Pod pod, const std::string& message) {
    // Names come from users: invalid UTF-8 must not throw.
    const auto quoted = [](std::string_view text) {
        return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    };
    std::string members =
        fmt::format(R"("level":"{}","module":"{}")", to_string(level), to_string(module));
    if (is_known(pod)) {
        members += ",\"pod\":" + quoted(pod.name);
    }
    return members + ",\"message\":" + quoted(message);
}

}  // namespace

std::optional<Level> parse_level(std::string_view text) {
    std::string wanted(text);
    std::transform(wanted.begin(), wanted.end(), wanted.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const auto& [name, level] : kLevelNames) {
        if (name == wanted) {
            return level;
        }
    }
    return std::nullopt;
}

std::string_view to_string(Level level) {
    return kLevelNames[static_cast<std::size_t>(level)].first;
}

std::optional<Module> parse_module(std::string_view text) {
    for (const Module module : kModules) {
        if (to_string(module) == text) {
            return module;
        }
    }
    return std::nullopt;
}

void set_up(Level level, Format format) {
    auto logger = std::make_shared<spdlog::logger>(
        "fsm", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    logger->set_pattern(format == Format::json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v})"
                                               : "%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v",
                        spdlog::pattern_time_type::utc);
    logger->set_level(spdlog::level::trace);  // the modules' levels decide
    spdlog::set_default_logger(std::move(logger));
    format_of_lines = format;
    for (const Module module : kModules) {
        set_level(module, level);
    }
}

Level level_of(Module module) {
    return level_at(module);
}

void set_level(Module module, Level level) {
    level_at(module) = level;
}

void write(Level level, Module module, Pod pod, fmt::string_view format,
           fmt::format_args arguments) {
    if (level < level_at(module).load(std::memory_order_relaxed)) {
        return;
    }
    spdlog::logger* logger = spdlog::default_logger_raw();
    const auto put = [&](Level of_line, const std::string& message) {
        const std::string line = format_of_lines == Format::json
                                     ? json_members(of_line, module, pod, message)
                                     : text_line(module, pod, message);
        logger->log(spdlogs(of_line), spdlog::string_view_t(line));
    };
    try {
        put(level, fmt::vformat(format, arguments));
    } catch (const std::exception& error) {
        put(Level::error, error.what());
    }
}

}  // namespace fsm::log
