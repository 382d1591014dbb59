#include "cni-plugin/network_config.h"

#include <sys/un.h>

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "cni-plugin/protocol_version.h"
#include "common/document/json_map.h"
#include "common/raw_json.h"

namespace fsm::plugin {

namespace {

using nlohmann::json;

constexpr char kPreviousResult[] = "prevResult";
// The kernel expects a final NUL in sun_path if other programs are to see the whole path.
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

cni::Error config_error(const std::string& message, const std::string& details = "") {
    return cni::Error(cni::ErrorCode::invalid_config, "network configuration: " + message, details);
}

std::optional<cni::Error> failure_of(const JsonReader& reader) {
    return reader.error() ? std::optional(config_error(reader.error()->message())) : std::nullopt;
}

cni::Expected<std::string> read_version(const json& document) {
    JsonReader reader;
    auto version = JsonMap(document, reader, "").optional_text("cniVersion");
    if (auto failure = failure_of(reader)) {
        return std::move(*failure);
    }
    return version.value_or(std::string(kOldestCniVersion));
}

std::string_view first_version_of(Verb verb) {
    switch (verb) {
        case Verb::check:
            return "0.4.0";
        case Verb::gc:
        case Verb::status:
            return "1.1.0";
        case Verb::add:
        case Verb::del:
        case Verb::version:
            break;
    }
    return kOldestCniVersion;
}

std::string list_supported_versions() {
    std::string list;
    for (const std::string_view version : kSupportedCniVersions) {
        list += (list.empty() ? "" : ", ") + std::string(version);
    }
    return list;
}

std::optional<cni::Error> check_version(const std::string& version, Verb verb) {
    if (!is_supported_cni_version(version)) {
        return cni::Error{cni::ErrorCode::incompatible_version,
                          "CNI version \"" + version + "\" is not supported",
                          "fsm-cni supports " + list_supported_versions()};
    }
    const std::string_view first = first_version_of(verb);
    if (!is_cni_version_at_least(version, first)) {
        return cni::Error{cni::ErrorCode::incompatible_version,
                          "CNI version " + version + " has no " + std::string(to_string(verb)),
                          "it needs version " + std::string(first) + " or later"};
    }
    return std::nullopt;
}

std::optional<cni::Error> check_path(const std::string& key, const std::string& path) {
    if (path.starts_with('/') && path.find('\0') == std::string::npos) {
        return std::nullopt;
    }
    return config_error(key + ": \"" + path + "\" is not an absolute path");
}

std::optional<cni::Error> check_socket(const std::string& path) {
    if (path.size() > kMaxSocketPath) {
        return config_error("socket: the path has " + std::to_string(path.size()) +
                            " bytes, and a Unix socket's path can have " +
                            std::to_string(kMaxSocketPath));
    }
    return check_path("socket", path);
}

void read_text(JsonMap& map, const char* key, std::string& target) {
    target = map.optional_text(key).value_or(target);
}

// Members that are accepted but not used are checked all the same.
void check_texts(JsonMap& map, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
        map.optional_text(key);
    }
}

void read_kubernetes(JsonMap map, PluginSettings& settings) {
    for (std::string& name : map.texts("exclude_namespaces")) {
        settings.excluded_namespaces.insert(std::move(name));
    }
    check_texts(map, {"kubeconfig", "cni_bin_dir", "node_name", "intercept_type", "k8s_api_root"});
}

cni::Expected<PluginSettings> read_settings(const json& document) {
    PluginSettings settings;
    std::string interceptor_namespace = "fsm-system";
    JsonReader reader;
    JsonMap map(document, reader, "");
    check_texts(map, {"type", "log_level"});
    read_text(map, "socket", settings.socket);
    read_text(map, "state_dir", settings.state_dir);
    read_text(map, "interceptor_namespace", interceptor_namespace);
    if (const auto timeout = map.number("timeout_ms", kMinTimeout.count(), kMaxTimeout.count())) {
        settings.timeout = std::chrono::milliseconds(*timeout);
    }
    read_kubernetes(map.map("kubernetes"), settings);
    for (const auto& failure : {failure_of(reader), check_socket(settings.socket),
                                check_path("state_dir", settings.state_dir)}) {
        if (failure) {
            return *failure;
        }
    }
    settings.excluded_namespaces.insert(interceptor_namespace);
    settings.excluded_namespaces.erase("");  // pods outside of Kubernetes have no namespace
    return settings;
}

bool needs_previous_result(Verb verb) {
    return verb == Verb::add || verb == Verb::check;
}

// The requirements for a result of the previous plugin, in addition to the members that are read.
std::optional<cni::Error> check_previous_result(const json& document) {
    JsonReader reader;
    JsonMap result = JsonMap(document, reader, "").map(kPreviousResult);
    check_texts(result, {"cniVersion"});
    return failure_of(reader);
}

std::optional<cni::Error> read_verb_input(const json& document, std::string_view text, Verb verb,
                                          NetworkConfig& config) {
    if (!needs_previous_result(verb)) {
        return std::nullopt;
    }
    if (!config.network.has_previous_result) {
        return config_error("prevResult is missing",
                            "fsm-cni is a chained plugin: put it behind the plugin that makes the "
                            "pod's interface in the conflist");
    }
    config.previous_result = find_raw_member(text, kPreviousResult);
    return check_previous_result(document);
}

}  // namespace

cni::Expected<NetworkConfig> parse_network_config(std::string_view text, Verb verb) {
    const auto document = cni::decode_network(text);
    if (!document) {
        return document.error();
    }
    auto version = read_version(*document);
    if (!version) {
        return version.error();
    }
    if (const auto failure = check_version(*version, verb)) {
        return *failure;
    }
    auto network = cni::read_network(*document);
    if (!network) {
        return network.error();
    }
    auto settings = read_settings(*document);
    if (!settings) {
        return settings.error();
    }
    NetworkConfig config;
    config.cni_version = *version;
    config.network = std::move(*network);
    config.settings = std::move(*settings);
    if (const auto failure = read_verb_input(*document, text, verb, config)) {
        return *failure;
    }
    return config;
}

cni::Expected<std::string> parse_requested_version(std::string_view text) {
    const auto document = cni::decode_network(text);
    if (!document) {
        return document.error();
    }
    return read_version(*document);
}

std::string answer_version(std::string_view text) {
    auto version = parse_requested_version(text);
    if (!version || !is_supported_cni_version(*version)) {
        return std::string(kNewestCniVersion);
    }
    return *version;
}

}  // namespace fsm::plugin
