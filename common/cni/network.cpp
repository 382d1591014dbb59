#include "common/cni/network.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "common/cni/identifier.h"
#include "common/cni/text.h"
#include "common/document/json_map.h"

namespace fsm::cni {

namespace {

using nlohmann::json;

// The second is the key's name before CNI 1.1 was final: runtimes of that time send it, and libcni
// sends both.
constexpr const char* kValidAttachments[] = {"cni.dev/valid-attachments", "cni.dev/attachments"};

Error config_error(const std::string& message, const std::string& details = "") {
    return Error(ErrorCode::invalid_config, "network configuration: " + message, details);
}

Outcome outcome_of(const JsonReader& reader, const std::string& details = "") {
    return reader.error() ? Outcome(config_error(reader.error()->message(), details)) : Outcome();
}

Outcome read_name(const json& document, Network& network) {
    JsonReader reader;
    network.name = JsonMap(document, reader, "").text("name");
    if (reader.error()) {
        return outcome_of(reader);
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
void read_address(JsonMap& entry, Network& network) {
    const std::string text = entry.text("address");
    if (const auto address = IpAddress::parse(text.substr(0, text.find('/')))) {
        network.result_addresses.push_back(*address);
    } else {
        entry.fail("address", in_quotes(text) + " is not an IP address");
    }
}

Outcome read_previous_result(const json& document, Network& network) {
    JsonReader reader;
    JsonMap top(document, reader, "");
    network.has_previous_result = top.has("prevResult");
    top.map("prevResult").each_map("ips", [&](JsonMap entry) { read_address(entry, network); });
    return outcome_of(reader);
}

Outcome read_valid_attachments(const json& document, Network& network) {
    JsonReader reader;
    JsonMap top(document, reader, "");
    for (const std::string key : kValidAttachments) {
        if (!top.has(key)) {
            continue;
        }
        network.valid_attachments.emplace();
        top.each_map(key, [&](JsonMap entry) {
            network.valid_attachments->push_back(
                {entry.required_text("containerID"), entry.required_text("ifname")});
        });
        return outcome_of(reader,
                          "nothing is collected: a misread list would remove living "
                          "attachments");
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
