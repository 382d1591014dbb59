// The text of a CNI configuration: validity for container runtimes, and our entry in its chain.
//
// Everything except our entry stays byte for byte as its author wrote it, because nothing is parsed
// and printed again. Sources: CNI specification 1.1, section 1; libcni's ConfListFromBytes,
// ConfFromBytes and ConfListFromConf.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace fsm {

// The "type" of our entry, which is the plugin's file name in the runtime's plugin directory.
constexpr std::string_view kPluginType = "fsm-cni";

// A file holds one plugin (.conf, .json) or a chain of them (.conflist).
enum class ConfigForm : std::uint8_t { single, list };

// nullopt: runtimes do not read a file of that name. They read hidden files, as libcni does.
std::optional<ConfigForm> config_form_of(std::string_view file_name);

// Whether a runtime accepts the text, and the chain can contain our entry (which needs a network
// name). A list without "plugins" is accepted here: see plugin_folder_of().
Result<void> validate_config(ConfigForm form, std::string_view text);

// Whether the text is one plugin, as in a folder of plugins, where it needs no network name.
Result<void> validate_plugin(std::string_view text);

// The functions below require valid texts.

std::string network_of(std::string_view config);

// The folder from which the plugins are loaded, if the list has none; otherwise nullopt.
std::optional<std::string> plugin_folder_of(std::string_view list);

// Whether the text of one plugin is our entry.
bool is_entry(std::string_view plugin);

// The chain that a runtime derives from a single plugin, with the same name and version.
std::string as_list(std::string_view single);

bool has_entry(std::string_view list);
// Adds `entry` (JSON) at the end of the chain. If our entry exists, it is updated in its place, or
// left if it is equal. The result contains exactly one.
std::string with_entry(std::string_view list, std::string_view entry);
// Reverts with_entry() exactly.
std::string without_entry(std::string_view list);

}  // namespace fsm
