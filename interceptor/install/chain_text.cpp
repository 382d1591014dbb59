#include "interceptor/install/chain_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/cni/identifier.h"
#include "common/raw_json.h"
#include "interceptor/install/go_json.h"

namespace fsm {

namespace {

using nlohmann::json;

constexpr std::string_view kWhiteSpace = " \t\r\n";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool is_text(const json& object, const char* key) {
    const auto member = object.find(key);
    return member != object.end() && member->is_string() &&
           !member->get_ref<const std::string&>().empty();
}

Result<void> check_plugin(const json& plugin, const std::string& where) {
    if (!plugin.is_object()) {
        return Error(where + " is not an object");
    }
    if (!is_text(plugin, "type")) {
        return Error(where + " has no \"type\"");
    }
    return {};
}

// libcni accepts the texts "true" and "false", in any case, as booleans.
std::optional<bool> as_boolean(const json& value) {
    if (value.is_boolean()) {
        return value.get<bool>();
    }
    std::string text = value.is_string() ? value.get<std::string>() : "";
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return text == "true" || text == "false" ? std::optional(text == "true") : std::nullopt;
}

// Whether plugins may be loaded from a folder.
Result<bool> loads_folder(const json& document) {
    constexpr const char* kKey = "loadOnlyInlinedPlugins";
    const auto member = document.find(kKey);
    if (member == document.end()) {
        return true;
    }
    const auto only_inlined = as_boolean(*member);
    if (!only_inlined) {
        return Error("its \"" + std::string(kKey) + "\" is neither true nor false");
    }
    return !*only_inlined;
}

// The network's name becomes the name of a folder.
Result<void> validate_folder_name(const json& document) {
    if (!cni::is_cni_identifier(document["name"].get_ref<const std::string&>())) {
        return Error("its \"name\" is not the name of a network");
    }
    return {};
}

Result<void> validate_plugins(const json& document) {
    FSM_ASSIGN(const bool folder, loads_folder(document));
    const auto plugins = document.find("plugins");
    if (plugins == document.end() && folder) {
        return validate_folder_name(document);
    }
    if (plugins == document.end() || !plugins->is_array() || plugins->empty()) {
        return Error("it has no list of \"plugins\"");
    }
    for (std::size_t i = 0; i < plugins->size(); ++i) {
        FSM_TRY(check_plugin((*plugins)[i], "plugins[" + std::to_string(i) + "]"));
    }
    return {};
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(kWhiteSpace);
    return first == std::string_view::npos
               ? std::string_view()
               : text.substr(first, text.find_last_not_of(kWhiteSpace) - first + 1);
}

std::vector<std::string_view> plugins_of(std::string_view list) {
    return raw_elements(find_raw_member(list, "plugins").value_or(std::string_view()));
}

std::size_t start_of(std::string_view part, std::string_view whole) {
    return static_cast<std::size_t>(part.data() - whole.data());
}

std::size_t end_of(std::string_view part, std::string_view whole) {
    return start_of(part, whole) + part.size();
}

std::string append_entry(std::string_view list, std::string_view entry) {
    const auto plugins = plugins_of(list);
    if (plugins.empty()) {
        return std::string(list);
    }
    // The white space before the last plugin, so that the new line has the same indentation.
    const auto start = start_of(plugins.back(), list);
    const auto before = list.find_last_not_of(kWhiteSpace, start - 1) + 1;
    std::string text(list);
    text.insert(end_of(plugins.back(), list),
                "," + std::string(list.substr(before, start - before)) + std::string(entry));
    return text;
}

// Including the comma and the white space added with it.
std::string without_plugin(std::string_view list, std::size_t index) {
    const auto plugins = plugins_of(list);
    std::size_t from = start_of(plugins[index], list);
    std::size_t to = end_of(plugins[index], list);
    if (index > 0) {
        from = end_of(plugins[index - 1], list);
    } else if (plugins.size() > 1) {
        to = start_of(plugins[1], list);
    }
    std::string text(list);
    text.erase(from, to - from);
    return text;
}

std::optional<std::size_t> last_entry(std::string_view list) {
    const auto plugins = plugins_of(list);
    const auto found = std::find_if(plugins.rbegin(), plugins.rend(), is_entry);
    if (found == plugins.rend()) {
        return std::nullopt;
    }
    return static_cast<std::size_t>(plugins.rend() - found) - 1;
}

std::string keep_first_entry(std::string_view list) {
    std::string text(list);
    while (true) {
        const auto plugins = plugins_of(text);
        if (std::count_if(plugins.begin(), plugins.end(), is_entry) < 2) {
            return text;
        }
        text = without_plugin(text, *last_entry(text));
    }
}

}  // namespace

std::optional<ConfigForm> config_form_of(std::string_view file_name) {
    if (file_name.ends_with(".conflist")) {
        return ConfigForm::list;
    }
    if (file_name.ends_with(".conf") || file_name.ends_with(".json")) {
        return ConfigForm::single;
    }
    return std::nullopt;
}

Result<void> validate_config(ConfigForm form, std::string_view text) {
    if (text.starts_with(kByteOrderMark)) {
        return Error("it starts with a byte order mark, which container runtimes do not accept");
    }
    const auto document = parse_as_go(text);
    if (!document.is_object()) {
        return Error(document.is_discarded() ? "it is not JSON (or half written)"
                                             : "it is not a JSON object");
    }
    if (!is_text(document, "name")) {
        return Error("it has no \"name\"");
    }
    const auto version = document.find("cniVersion");
    if (version != document.end() && !version->is_string()) {
        return Error("its \"cniVersion\" is not a text");
    }
    return form == ConfigForm::list ? validate_plugins(document) : check_plugin(document, "it");
}

Result<void> validate_plugin(std::string_view text) {
    const auto document = parse_as_go(text);
    return document.is_discarded() ? Error("it is not JSON (or half written)")
                                   : check_plugin(document, "it");
}

std::string network_of(std::string_view config) {
    return parse_as_go(config)["name"].get<std::string>();
}

std::optional<std::string> plugin_folder_of(std::string_view list) {
    const auto document = parse_as_go(list);
    return document.contains("plugins") ? std::nullopt
                                        : std::optional(document["name"].get<std::string>());
}

bool is_entry(std::string_view plugin) {
    const auto parsed = parse_as_go(plugin);
    return parsed.is_object() && parsed.value("type", json()) == kPluginType;
}

std::string as_list(std::string_view single) {
    std::string text = "{\n";
    for (const char* key : {"cniVersion", "name"}) {
        if (const auto value = find_raw_member(single, key)) {
            text += "  \"" + std::string(key) + "\": " + std::string(*value) + ",\n";
        }
    }
    return text + "  \"plugins\": [\n    " + std::string(trimmed(single)) + "\n  ]\n}\n";
}

bool has_entry(std::string_view list) {
    return last_entry(list).has_value();
}

std::string with_entry(std::string_view list, std::string_view entry) {
    std::string text = keep_first_entry(list);
    const auto index = last_entry(text);
    if (!index) {
        return append_entry(text, entry);
    }
    const auto present = plugins_of(text)[*index];
    if (parse_as_go(present) != parse_as_go(entry)) {
        text.replace(start_of(present, text), present.size(), entry);
    }
    return text;
}

std::string without_entry(std::string_view list) {
    std::string text(list);
    while (const auto index = last_entry(text)) {
        text = without_plugin(text, *index);
    }
    return text;
}

}  // namespace fsm
