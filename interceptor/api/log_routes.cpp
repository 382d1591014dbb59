#include "interceptor/api/log_routes.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/text.h"
#include "interceptor/api/cni_routes.h"
#include "interceptor/log/log.h"

namespace fsm {

namespace {

using nlohmann::json;
using Levels = std::map<log::Module, log::Level>;

HttpResponse show_levels() {
    json levels = json::object();
    for (const log::Module module : log::kModules) {
        levels[std::string(to_string(module))] = to_string(log::level_of(module));
    }
    return {200, json({{"levels", levels}}).dump(2) + "\n"};
}

Result<log::Level> read_level(const json& value) {
    const auto level = value.is_string() ? log::parse_level(value.get<std::string>())
                                         : std::optional<log::Level>();
    if (!level) {
        return Error(value.dump(-1, ' ', false, json::error_handler_t::replace) +
                     " is not one of trace, debug, info, warn, error, off");
    }
    return *level;
}

std::string module_names() {
    std::vector<std::string> names;
    for (const log::Module module : log::kModules) {
        names.emplace_back(to_string(module));
    }
    return joined(names);
}

Result<void> read_levels(const json& wanted, Levels& levels) {
    if (!wanted.is_object()) {
        return Error("levels must be an object of modules and their levels");
    }
    for (const auto& [name, value] : wanted.items()) {
        const auto module = log::parse_module(name);
        if (!module) {
            return Error("there is no module \"" + name + "\": they are " + module_names());
        }
        FSM_ASSIGN(levels[*module], read_level(value));
    }
    return {};
}

Result<Levels> read_change(const std::string& body) {
    const json wanted = json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (!wanted.is_object() || (!wanted.contains("level") && !wanted.contains("levels"))) {
        return Error(R"(expected {"level": LEVEL}, {"levels": {MODULE: LEVEL}} or both)");
    }
    Levels levels;
    if (wanted.contains("level")) {
        FSM_ASSIGN(const log::Level level, read_level(wanted.at("level")));
        for (const log::Module module : log::kModules) {
            levels[module] = level;
        }
    }
    if (wanted.contains("levels")) {
        FSM_TRY(read_levels(wanted.at("levels"), levels));
    }
    return levels;
}

// All of the change, or nothing of it.
HttpResponse change_levels(const std::string& body) {
    const auto change = read_change(body);
    if (!change) {
        return error_response(400, CniErrorCode::undecodable, "the levels are not changed",
                              change.error().message());
    }
    for (const auto& [module, level] : *change) {
        const log::Level before = log::level_of(module);
        log::set_level(module, level);
        if (before != level) {
            log::info("log level of {} is {} now, it was {}", to_string(module), to_string(level),
                      to_string(before));
        }
    }
    return show_levels();
}

}  // namespace

void add_log_routes(HttpRouter& router) {
    router.get("/v1/log", [](const std::string&) { return show_levels(); });
    router.post("/v1/log", [](const std::string& body) { return change_levels(body); });
}

}  // namespace fsm
