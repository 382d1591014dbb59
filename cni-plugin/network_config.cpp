#include "cni-plugin/network_config.h"

#include <sys/un.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "cni-plugin/protocol_version.h"
#include "common/cni/member_reader.h"
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

cni::Expected<std::string> read_version(const json& document) {
    cni::MemberReader reader(document);
    std::string version(kOldestCniVersion);
    reader.read("cniVersion", version);
    if (reader.failure()) {
        return *reader.failure();
    }
    return version;
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

void read_timeout(cni::MemberReader& reader, std::chrono::milliseconds& timeout) {
    constexpr char kKey[] = "timeout_ms";
    const json* value = reader.find(kKey);
    if (value == nullptr) {
        return;
    }
    const std::string range = "a whole number from " + std::to_string(kMinTimeout.count()) +
                              " to " + std::to_string(kMaxTimeout.count());
    if (!value->is_number_integer()) {
        reader.fail(cni::wrong_type(kKey, range, *value));
        return;
    }
    // A number beyond 2^63 wraps to a negative one here, which is out of range, too.
    const std::chrono::milliseconds wanted(value->get<std::int64_t>());
    if (wanted < kMinTimeout || wanted > kMaxTimeout) {
        reader.fail(config_error("timeout_ms must be " + range + ", not " + value->dump()));
        return;
    }
    timeout = wanted;
}

std::optional<cni::Error> read_kubernetes(const json& section, PluginSettings& settings) {
    cni::MemberReader reader(section, "kubernetes");
    reader.read("exclude_namespaces", settings.left_alone_namespaces);
    for (const char* unused :
         {"kubeconfig", "cni_bin_dir", "node_name", "intercept_type", "k8s_api_root"}) {
        reader.expect_string(unused);
    }
    return reader.failure();
}

cni::Expected<PluginSettings> read_settings(const json& document) {
    PluginSettings settings;
    std::string interceptor_namespace = "fsm-system";
    cni::MemberReader reader(document);
    reader.expect_string("type");
    reader.expect_string("log_level");
    reader.read("socket", settings.socket);
    reader.read("state_dir", settings.state_dir);
    reader.read("interceptor_namespace", interceptor_namespace);
    read_timeout(reader, settings.timeout);
    const json& kubernetes = reader.object("kubernetes");
    for (const auto& failure :
         {reader.failure(), read_kubernetes(kubernetes, settings), check_socket(settings.socket),
          check_path("state_dir", settings.state_dir)}) {
        if (failure) {
            return *failure;
        }
    }
    settings.left_alone_namespaces.insert(interceptor_namespace);
    settings.left_alone_namespaces.erase("");  // pods outside of Kubernetes have no namespace
    return settings;
}

bool needs_previous_result(Verb verb) {
    return verb == Verb::add || verb == Verb::check;
}

// The requirements for a result of the previous plugin, in addition to the members that are read.
std::optional<cni::Error> check_previous_result(const json& document) {
    cni::MemberReader reader(document);
    const json& result = reader.object(kPreviousResult);
    const auto version = result.find("cniVersion");
    if (version != result.end() && !version->is_string()) {
        return cni::wrong_type("prevResult.cniVersion", "a string", *version);
    }
    return std::nullopt;
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
