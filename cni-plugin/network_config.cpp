#include "cni-plugin/network_config.h"

#include <sys/un.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "cni-plugin/identifier.h"
#include "cni-plugin/member_reader.h"
#include "cni-plugin/protocol_version.h"
#include "common/raw_json.h"

namespace fsm {

namespace {

using nlohmann::json;

constexpr char kPreviousResult[] = "prevResult";
constexpr char kValidAttachments[] = "cni.dev/valid-attachments";
// The kernel wants a final NUL in sun_path when the path is to be shown whole by others.
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

CniError config_error(const std::string& message, const std::string& details = "") {
    return {kCniInvalidConfig, "network configuration: " + message, details};
}

CniResult<json> decode(std::string_view text) {
    try {
        json document = json::parse(text);
        if (!document.is_object()) {
            return CniError{kCniDecodingFailure,
                            "network configuration on stdin: not a JSON object", ""};
        }
        return document;
    } catch (const json::exception& exception) {
        return CniError{kCniDecodingFailure, "network configuration on stdin: not valid JSON",
                        exception.what()};
    }
}

CniResult<std::string> read_version(const json& document) {
    MemberReader reader(document);
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

std::optional<CniError> check_version(const std::string& version, Verb verb) {
    if (!is_supported_cni_version(version)) {
        return CniError{kCniIncompatibleVersion, "CNI version \"" + version + "\" is not supported",
                        "fsm-cni supports " + list_supported_versions()};
    }
    const std::string_view first = first_version_of(verb);
    if (!is_cni_version_at_least(version, first)) {
        return CniError{kCniIncompatibleVersion,
                        "CNI version " + version + " has no " + std::string(to_string(verb)),
                        "it needs version " + std::string(first) + " or later"};
    }
    return std::nullopt;
}

std::optional<CniError> check_name(const json& document) {
    MemberReader reader(document);
    std::string name;
    reader.read("name", name);
    if (reader.failure()) {
        return reader.failure();
    }
    if (name.empty()) {
        return config_error("name is missing", "every network needs a name");
    }
    if (!is_cni_identifier(name)) {
        return config_error("name: \"" + name + "\" is not a network name",
                            "it must start with a letter or a digit, and go on with these, '_', "
                            "'.' or '-'");
    }
    return std::nullopt;
}

std::optional<CniError> check_path(const std::string& key, const std::string& path) {
    if (path.starts_with('/') && path.find('\0') == std::string::npos) {
        return std::nullopt;
    }
    return config_error(key + ": \"" + path + "\" is not an absolute path");
}

std::optional<CniError> check_socket(const std::string& path) {
    if (path.size() > kMaxSocketPath) {
        return config_error("socket: the path has " + std::to_string(path.size()) +
                            " bytes, and a Unix socket's path can have " +
                            std::to_string(kMaxSocketPath));
    }
    return check_path("socket", path);
}

void read_timeout(MemberReader& reader, std::chrono::milliseconds& timeout) {
    constexpr char kKey[] = "timeout_ms";
    const json* value = reader.find(kKey);
    if (value == nullptr) {
        return;
    }
    const std::string range = "a whole number from " + std::to_string(kMinTimeout.count()) +
                              " to " + std::to_string(kMaxTimeout.count());
    if (!value->is_number_integer()) {
        reader.fail(wrong_type(kKey, range, *value));
        return;
    }
    // A number beyond 2^63 wraps to a negative one here, which is out of the range as well.
    const std::chrono::milliseconds wanted(value->get<std::int64_t>());
    if (wanted < kMinTimeout || wanted > kMaxTimeout) {
        reader.fail(config_error("timeout_ms must be " + range + ", not " + value->dump()));
        return;
    }
    timeout = wanted;
}

std::optional<CniError> read_kubernetes(const json& section, PluginSettings& settings) {
    MemberReader reader(section, "kubernetes");
    reader.read("exclude_namespaces", settings.left_alone_namespaces);
    for (const char* unused :
         {"kubeconfig", "cni_bin_dir", "node_name", "intercept_type", "k8s_api_root"}) {
        reader.expect_string(unused);
    }
    return reader.failure();
}

CniResult<PluginSettings> read_settings(const json& document) {
    PluginSettings settings;
    std::string interceptor_namespace = "fsm-system";
    MemberReader reader(document);
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
    settings.left_alone_namespaces.erase("");  // pods that Kubernetes did not start have none
    return settings;
}

bool needs_previous_result(Verb verb) {
    return verb == Verb::add || verb == Verb::check;
}

std::optional<CniError> check_previous_result(const json& document) {
    MemberReader reader(document);
    if (reader.find(kPreviousResult) == nullptr) {
        return config_error("prevResult is missing",
                            "fsm-cni is a chained plugin: put it behind the plugin that makes the "
                            "pod's interface in the conflist");
    }
    const json& result = reader.object(kPreviousResult);
    if (reader.failure()) {
        return reader.failure();
    }
    const auto version = result.find("cniVersion");
    if (version != result.end() && !version->is_string()) {
        return wrong_type("prevResult.cniVersion", "a string", *version);
    }
    return std::nullopt;
}

std::optional<CniError> check_attachment(const json& attachment, const std::string& path) {
    if (!attachment.is_object()) {
        return wrong_type(path, "an object", attachment);
    }
    MemberReader reader(attachment, path);
    for (const char* key : {"containerID", "ifname"}) {
        std::string value;
        reader.read(key, value);
        if (!reader.failure() && value.empty()) {
            reader.fail(config_error(reader.path_of(key) + " is missing"));
        }
    }
    return reader.failure();
}

std::optional<CniError> check_valid_attachments(const json& list) {
    if (!list.is_array()) {
        return wrong_type(kValidAttachments, "a list of attachments", list);
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string path = std::string(kValidAttachments) + "[" + std::to_string(i) + "]";
        if (auto failure = check_attachment(list[i], path)) {
            return failure;
        }
    }
    return std::nullopt;
}

std::optional<CniError> read_verb_input(const json& document, std::string_view text, Verb verb,
                                        NetworkConfig& config) {
    if (needs_previous_result(verb)) {
        if (auto failure = check_previous_result(document)) {
            return failure;
        }
        config.previous_result = find_raw_member(text, kPreviousResult);
    }
    const json* attachments =
        verb == Verb::gc ? MemberReader(document).find(kValidAttachments) : nullptr;
    config.lists_valid_attachments = attachments != nullptr;
    return attachments == nullptr ? std::nullopt : check_valid_attachments(*attachments);
}

}  // namespace

CniResult<NetworkConfig> parse_network_config(std::string_view text, Verb verb) {
    auto document = decode(text);
    if (!document) {
        return document.error();
    }
    auto version = read_version(*document);
    if (!version) {
        return version.error();
    }
    for (const auto& check : {check_version(*version, verb), check_name(*document)}) {
        if (check) {
            return *check;
        }
    }
    auto settings = read_settings(*document);
    if (!settings) {
        return settings.error();
    }
    NetworkConfig config;
    config.cni_version = *version;
    config.settings = std::move(*settings);
    if (const auto failure = read_verb_input(*document, text, verb, config)) {
        return *failure;
    }
    return config;
}

CniResult<std::string> parse_requested_version(std::string_view text) {
    auto document = decode(text);
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

}  // namespace fsm
