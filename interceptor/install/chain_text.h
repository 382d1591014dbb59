// The text of a CNI configuration: what a container runtime accepts, and our entry in its chain.
//
// Everything that is not our entry stays byte for byte as its author wrote it: nothing is parsed
// and printed again. Facts: CNI specification 1.1, section 1; libcni's ConfListFromBytes,
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

// nullopt: a runtime does not read a file of that name. Hidden files are read, as by libcni.
std::optional<ConfigForm> config_form_of(std::string_view file_name);

// Whether a runtime can use the text, and the chain can carry our entry (which needs a network
// name). A list without "plugins" is valid as far as its text goes: see plugin_folder_of().
Result<void> validate_config(ConfigForm form, std::string_view text);

// Whether the text is one plugin, as in a folder of plugins, where it needs no network name.
Result<void> validate_plugin(std::string_view text);

// What follows takes valid texts.

std::string network_of(std::string_view config);

// The folder beside the file from which the plugins are loaded, because the list has none;
// otherwise nullopt.
std::optional<std::string> plugin_folder_of(std::string_view list);

// Whether one plugin's text is an entry of ours.
bool is_entry(std::string_view plugin);

// The chain that a runtime makes of a single plugin by itself, with the same name and version.
std::string as_list(std::string_view single);

bool has_entry(std::string_view list);
// With `entry` (JSON) at the end of the chain; where an entry of ours is already, it stays in its
// place, and one that says the same is not touched. There is exactly one in the end.
std::string with_entry(std::string_view list, std::string_view entry);
// Undoes with_entry() to the byte.
std::string without_entry(std::string_view list);

}  // namespace fsm
