#include "common/cni/network.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/cni/identifier.h"
#include "common/cni/member_reader.h"
#include "common/cni/text.h"

namespace fsm::cni {

namespace {

using nlohmann::json;

// The second is the key's name before CNI 1.1 was final: runtimes of that time send it, and libcni
// sends both.
constexpr const char* kValidAttachments[] = {"cni.dev/valid-attachments", "cni.dev/attachments"};

Error config_error(const std::string& message, const std::string& details = "") {
    return Error(ErrorCode::invalid_config, "network configuration: " + message, details);
}

Outcome outcome_of(const MemberReader& reader) {
    return reader.failure() ? Outcome(*reader.failure()) : Outcome();
}

Outcome read_name(const json& document, Network& network) {
    MemberReader reader(document);
    reader.read("name", network.name);
    if (reader.failure()) {
        return *reader.failure();
    }
    if (network.name.empty()) {
        return config_error("name is missing", "every network needs a name");
    }
    if (!is_cni_identifier(network.name)) {
        return config_error("name: " + in_quotes(network.name) + " is not a network name",
                            "it must start with a letter or a digit, and go on with these, '_', "
                            "'.' or '-'");
    }
    return {};
}

// "10.1.2.3/24" or a bare address.
Outcome read_address(const json& entry, const std::string& path, Network& network) {
    if (!entry.is_object()) {
        return wrong_type(path, "an object", entry);
    }
    MemberReader reader(entry, path);
    std::string text;
    reader.read("address", text);
    if (reader.failure()) {
        return *reader.failure();
    }
    const auto address = IpAddress::parse(text.substr(0, text.find('/')));
    if (!address) {
        return config_error(reader.path_of("address") + ": " + in_quotes(text) +
                            " is not an IP address");
    }
    network.result_addresses.push_back(*address);
    return {};
}

Outcome read_addresses(const json& result, Network& network) {
    MemberReader reader(result, "prevResult");
    const json* list = reader.find("ips");
    if (list == nullptr) {
        return {};
    }
    if (!list->is_array()) {
        return wrong_type("prevResult.ips", "a list", *list);
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
        const std::string path = "prevResult.ips[" + std::to_string(i) + "]";
        if (auto read = read_address((*list)[i], path, network); !read) {
            return read;
        }
    }
    return {};
}

Outcome read_previous_result(const json& document, Network& network) {
    MemberReader reader(document);
    network.has_previous_result = reader.find("prevResult") != nullptr;
    const json& result = reader.object("prevResult");
    if (reader.failure()) {
        return *reader.failure();
    }
    return read_addresses(result, network);
}

Outcome read_attachment(const json& attachment, const std::string& path, Network& network) {
    if (!attachment.is_object()) {
        return wrong_type(path, "an object", attachment);
    }
    MemberReader reader(attachment, path);
    Interface valid;
    const std::pair<const char*, std::string*> members[] = {{"containerID", &valid.container_id},
                                                            {"ifname", &valid.ifname}};
    for (const auto& [key, target] : members) {
        reader.read(key, *target);
        if (!reader.failure() && target->empty()) {
            reader.fail(config_error(reader.path_of(key) + " is missing",
                                     "nothing is collected: a misread list would remove living "
                                     "attachments"));
        }
    }
    network.valid_attachments->push_back(std::move(valid));
    return outcome_of(reader);
}

Outcome read_valid_attachments(const json& document, Network& network) {
    const MemberReader reader(document);
    for (const std::string key : kValidAttachments) {
        const json* list = reader.find(key);
        if (list == nullptr) {
            continue;
        }
        if (!list->is_array()) {
            return wrong_type(key, "a list of attachments", *list);
        }
        network.valid_attachments.emplace();
        for (std::size_t i = 0; i < list->size(); ++i) {
            const std::string path = key + "[" + std::to_string(i) + "]";
            if (auto read = read_attachment((*list)[i], path, network); !read) {
                return read;
            }
        }
        return {};
    }
    return {};
}

}  // namespace

Expected<json> decode_network(std::string_view text) {
    try {
        json document = json::parse(text);
        if (!document.is_object()) {
            return Error(ErrorCode::undecodable,
                         "network configuration on stdin: not a JSON object");
        }
        return document;
    } catch (const json::exception& failure) {
        return Error(ErrorCode::undecodable, "network configuration on stdin: not valid JSON",
                     failure.what());
    }
}

Expected<Network> read_network(const json& document) {
    Network network;
    for (const auto& read : {read_name, read_previous_result, read_valid_attachments}) {
        if (const auto done = read(document, network); !done) {
            return done.error();
        }
    }
    return network;
}

Expected<Network> parse_network(std::string_view text) {
    const auto document = decode_network(text);
    if (!document) {
        return document.error();
    }
    return read_network(*document);
}

}  // namespace fsm::cni
