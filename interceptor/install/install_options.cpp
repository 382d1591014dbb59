#include "interceptor/install/install_options.h"

#include <nlohmann/json.hpp>

#include "interceptor/install/chain_text.h"

namespace fsm {

std::string chain_entry(const InstallOptions& options) {
    // The plugin's own defaults.
    constexpr const char* kPluginsStateDirectory = "/var/run/fsm";
    nlohmann::ordered_json entry = {{"type", kPluginType}, {"socket", options.host_socket}};
    if (options.host_state_directory != kPluginsStateDirectory) {
        entry["state_dir"] = options.host_state_directory;
    }
    entry["kubernetes"] = {{"exclude_namespaces", options.excluded_namespaces}};
    // Names come from users: invalid UTF-8 must not throw.
    return entry.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace fsm
