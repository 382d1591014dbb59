#include "interceptor/log/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <exception>
#include <memory>
#include <utility>

namespace fsm::log {
namespace {

spdlog::level::level_enum spdlogs(Level level) {
    switch (level) {
        case Level::debug:
            return spdlog::level::debug;
        case Level::info:
            return spdlog::level::info;
        case Level::warning:
            return spdlog::level::warn;
        case Level::error:
            break;
    }
    return spdlog::level::err;
}

}  // namespace

void set_up(const std::string& level) {
    auto logger = std::make_shared<spdlog::logger>(
        "fsm", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
    logger->set_level(spdlog::level::from_str(level));
    spdlog::set_default_logger(std::move(logger));
}

void write(Level level, fmt::string_view format, fmt::format_args arguments) {
    spdlog::logger* logger = spdlog::default_logger_raw();
    if (!logger->should_log(spdlogs(level))) {
        return;
    }
    try {
        logger->log(spdlogs(level), spdlog::string_view_t(fmt::vformat(format, arguments)));
    } catch (const std::exception& error) {
        logger->log(spdlog::level::err, spdlog::string_view_t(error.what()));
    }
}

}  // namespace fsm::log
