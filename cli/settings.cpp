#include "cli/settings.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "common/document/yaml_reader.h"
#include "common/file.h"

namespace fsm::cli {

namespace {

constexpr std::size_t kFileLimit = std::size_t{1} << 20;

struct TextSetting {
    const char* variable;
    const char* key;
    std::string Settings::*target;
};

constexpr std::array<TextSetting, 6> kTexts = {{
    {"FSM_NAMESPACE", "namespace", &Settings::fsm_namespace},
    {"FSM_MESH_NAME", "meshName", &Settings::mesh_name},
    {"KUBECONFIG", "kubeconfig", &Settings::kubeconfig},
    {"FSM_KUBE_CONTEXT", "kubeContext", &Settings::kube_context},
    {"HELM", "helm", &Settings::helm},
    {"KUBECTL", "kubectl", &Settings::kubectl},
}};

std::string environment(const char* name) {
    const char* value = getenv(name);
    return value != nullptr ? value : "";
}

Result<void> read_settings_file(const std::string& path, Settings& settings) {
    FSM_ASSIGN(const auto text, read_file(path, kFileLimit));
    YamlReader reader(path, text.size());
    FSM_ASSIGN(const auto documents, reader.load_documents(text));
    settings.file = path;
    if (documents.empty() || documents.front().IsNull()) {
        return {};
    }
    YamlMap map(documents.front(), reader, "");
    for (const auto& setting : kTexts) {
        if (const auto value = map.optional_text(setting.key)) {
            settings.*setting.target = *value;
        }
    }
    settings.verbose = map.boolean("verbose", settings.verbose);
    map.refuse_unknown_keys();
    if (reader.error()) {
        return *reader.error();
    }
    return {};
}

Result<bool> parse_switch(const std::string& name, const std::string& text) {
    if (text == "true" || text == "1") {
        return true;
    }
    if (text == "false" || text == "0") {
        return false;
    }
    return Error("environment variable " + name + " is \"" + text + "\": it must be true or false");
}

Result<void> read_environment(Settings& settings) {
    for (const auto& setting : kTexts) {
        const auto value = environment(setting.variable);
        // kubectl and helm read KUBECONFIG themselves: it may be a list, which their flag may not.
        if (!value.empty() && setting.target != &Settings::kubeconfig) {
            settings.*setting.target = value;
        } else if (!value.empty()) {
            settings.kubeconfig.clear();
        }
    }
    const auto verbose = environment("FSM_VERBOSE");
    if (!verbose.empty()) {
        FSM_ASSIGN(settings.verbose, parse_switch("FSM_VERBOSE", verbose));
    }
    return {};
}

}  // namespace

Result<Settings> read_settings() {
    Settings settings;
    const auto named = environment("FSM_CONFIG");
    const auto home = environment("HOME");
    const auto usual = home.empty() ? "" : home + "/.fsm/config.yaml";
    if (!named.empty()) {
        FSM_TRY(read_settings_file(named, settings));
    } else if (!usual.empty() && access(usual.c_str(), F_OK) == 0) {
        FSM_TRY(read_settings_file(usual, settings));
    }
    FSM_TRY(read_environment(settings));
    return settings;
}

std::vector<std::pair<std::string, std::string>> describe(const Settings& settings) {
    std::vector<std::pair<std::string, std::string>> lines;
    for (const auto& setting : kTexts) {
        lines.emplace_back(setting.variable, settings.*setting.target);
    }
    const auto kubeconfig = std::find_if(
        lines.begin(), lines.end(), [](const auto& line) { return line.first == "KUBECONFIG"; });
    if (kubeconfig->second.empty()) {
        kubeconfig->second = environment("KUBECONFIG");
    }
    lines.emplace_back("FSM_VERBOSE", settings.verbose ? "true" : "false");
    lines.emplace_back("FSM_CONFIG", settings.file);
    return lines;
}

}  // namespace fsm::cli
