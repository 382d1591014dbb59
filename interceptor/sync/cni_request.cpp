#include "interceptor/sync/cni_request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace fsm {

namespace {

// A file name has at most 255 bytes: id, '-', interface, ".json" and the temporary file's ending.
constexpr std::size_t kMaxContainerId = 200;
constexpr std::size_t kMaxInterfaceName = 15;  // IFNAMSIZ - 1
constexpr std::size_t kMaxArgs = 16384;
constexpr std::size_t kShownInput = 60;

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_container_id_character(char c) {
    return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
}

bool is_interface_character(char c) {
    return c > ' ' && c < 0x7f && c != '/' && c != ':';
}

std::string shown(std::string_view text) {
    std::string copy;
    for (const char c : text.substr(0, kShownInput)) {
        copy += c >= ' ' && c < 0x7f ? c : '?';
    }
    return "\"" + copy + (text.size() > kShownInput ? "...\"" : "\"");
}

CniError environment_error(const std::string& variable, const std::string& why) {
    return CniError(CniErrorCode::invalid_environment, "invalid " + variable, why);
}

void assign(PodReference& pod, std::string_view key, std::string_view value) {
    if (key == "K8S_POD_NAMESPACE") {
        pod.pod_namespace = value;
    } else if (key == "K8S_POD_NAME") {
        pod.name = value;
    } else if (key == "K8S_POD_UID") {
        pod.uid = value;
    } else if (key == "K8S_POD_INFRA_CONTAINER_ID") {
        pod.infra_container_id = value;
    }
}

CniError config_error(const std::string& why) {
    return CniError(CniErrorCode::invalid_config, "invalid network configuration", why);
}

// "10.1.2.3/24" or a bare address.
std::optional<IpAddress> address_of(const nlohmann::json& ip) {
    if (!ip.is_object() || !ip.contains("address") || !ip["address"].is_string()) {
        return std::nullopt;
    }
    const auto text = ip["address"].get<std::string>();
    auto address = IpAddress::parse(text.substr(0, text.find('/')));
    return address ? std::optional(*address) : std::nullopt;
}

CniOutcome read_prev_result(const nlohmann::json& document, NetworkConfig& config) {
    const auto result = document.find("prevResult");
    if (result == document.end() || result->is_null()) {
        return {};
    }
    if (!result->is_object()) {
        return config_error("prevResult is not an object");
    }
    const auto ips = result->find("ips");
    if (ips == result->end() || ips->is_null()) {
        return {};
    }
    if (!ips->is_array()) {
        return config_error("prevResult.ips is not a list");
    }
    for (const auto& ip : *ips) {
        const auto address = address_of(ip);
        if (!address) {
            return config_error("prevResult.ips has an entry without a usable \"address\": " +
                                shown(ip.dump()));
        }
        config.result_addresses.push_back(*address);
    }
    return {};
}

CniOutcome read_valid_attachments(const nlohmann::json& document, NetworkConfig& config) {
    const auto list = document.find("cni.dev/valid-attachments");
    if (list == document.end() || list->is_null()) {
        return {};
    }
    if (!list->is_array()) {
        return config_error("cni.dev/valid-attachments is not a list");
    }
    config.valid_attachments.emplace();
    for (const auto& entry : *list) {
        if (!entry.is_object() || !entry.contains("containerID") || !entry.contains("ifname") ||
            !entry["containerID"].is_string() || !entry["ifname"].is_string()) {
            return config_error(
                "cni.dev/valid-attachments has an entry without the strings containerID and "
                "ifname: " +
                shown(entry.dump()) +
                "; nothing was collected, since a misread list would remove living attachments");
        }
        config.valid_attachments->push_back(
            {entry["containerID"].get<std::string>(), entry["ifname"].get<std::string>()});
    }
    return {};
}

}  // namespace

CniOutcome validate_key(const AttachmentKey& key) {
    const std::string& id = key.container_id;
    if (id.empty() || !is_alphanumeric(id.front()) ||
        !std::all_of(id.begin(), id.end(), is_container_id_character)) {
        return environment_error("CNI_CONTAINERID",
                                 shown(id) +
                                     " must begin with a letter or digit, and go on with "
                                     "letters, digits, '_', '.' or '-'");
    }
    if (id.size() > kMaxContainerId) {
        return environment_error("CNI_CONTAINERID",
                                 "longer than " + std::to_string(kMaxContainerId) + " characters");
    }
    const std::string& ifname = key.ifname;
    if (ifname.empty() || ifname.size() > kMaxInterfaceName || ifname == "." || ifname == ".." ||
        !std::all_of(ifname.begin(), ifname.end(), is_interface_character)) {
        return environment_error("CNI_IFNAME", shown(ifname) +
                                                   " must have 1 to 15 characters without '/', ':' "
                                                   "and white space");
    }
    return {};
}

CniArgs parse_cni_args(std::string_view args) {
    CniArgs parsed;
    if (args.size() > kMaxArgs) {
        parsed.outcome = environment_error(
            "CNI_ARGS", "longer than " + std::to_string(kMaxArgs) + " characters");
        return parsed;
    }
    while (!args.empty()) {
        const auto semicolon = args.find(';');
        const std::string_view part = args.substr(0, semicolon);
        args.remove_prefix(semicolon == std::string_view::npos ? args.size() : semicolon + 1);
        if (part.empty()) {
            continue;
        }
        const auto equals = part.find('=');
        if (equals == std::string_view::npos) {
            parsed.outcome =
                environment_error("CNI_ARGS", shown(part) + " is not of the form KEY=VALUE");
            return parsed;
        }
        assign(parsed.pod, part.substr(0, equals), part.substr(equals + 1));
    }
    return parsed;
}

ParsedNetworkConfig parse_network_config(std::string_view json) {
    ParsedNetworkConfig parsed;
    if (json.empty()) {
        return parsed;
    }
    try {
        const auto document = nlohmann::json::parse(json);
        if (!document.is_object()) {
            parsed.outcome = config_error("it is not a JSON object");
            return parsed;
        }
        if (document.contains("name") && document["name"].is_string()) {
            parsed.config.network = document["name"].get<std::string>();
        }
        parsed.outcome = read_prev_result(document, parsed.config);
        if (parsed.outcome) {
            parsed.outcome = read_valid_attachments(document, parsed.config);
        }
    } catch (const nlohmann::json::exception& failure) {
        parsed.outcome = CniError(CniErrorCode::undecodable,
                                  "the network configuration is not JSON", failure.what());
    }
    return parsed;
}

}  // namespace fsm
