#include "common/cni/request.h"

#include <algorithm>
#include <climits>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base64.h"
#include "common/cni/identifier.h"
#include "common/cni/text.h"
#include "common/utf8.h"

namespace fsm::cni {

namespace {

using nlohmann::json;

constexpr const char* kContainerId = "CNI_CONTAINERID";
constexpr const char* kIfname = "CNI_IFNAME";
constexpr const char* kNetns = "CNI_NETNS";
constexpr const char* kArgs = "CNI_ARGS";

bool needs_netns(Operation operation) {
    return operation != Operation::del;
}

std::string_view name_of(Operation operation) {
    switch (operation) {
        case Operation::add:
            return "ADD";
        case Operation::del:
            return "DEL";
        case Operation::check:
            return "CHECK";
    }
    return "?";
}

Error variable_error(const std::string& variable, const std::string& what,
                     const std::string& details = "") {
    return Error(ErrorCode::invalid_environment, "environment variable " + variable + what,
                 details);
}

// JSON strings must be UTF-8.
Outcome check_encoding(const Request& request) {
    const std::pair<const char*, const std::string*> variables[] = {
        {kContainerId, &request.interface.container_id},
        {kNetns, &request.netns},
        {kIfname, &request.interface.ifname},
        {kArgs, &request.args},
    };
    for (const auto& [name, value] : variables) {
        if (!is_utf8(*value)) {
            return variable_error(name, " is not valid UTF-8");
        }
    }
    return {};
}

Outcome find_missing(const Request& request, Operation operation) {
    std::string missing;
    const auto require = [&](const std::string& value, const char* name) {
        if (value.empty()) {
            missing += (missing.empty() ? "" : ", ") + std::string(name);
        }
    };
    require(request.interface.container_id, kContainerId);
    require(request.interface.ifname, kIfname);
    if (needs_netns(operation)) {
        require(request.netns, kNetns);
    }
    if (missing.empty()) {
        return {};
    }
    return Error(ErrorCode::invalid_environment,
                 "required environment variables are missing: " + missing,
                 "CNI_COMMAND is " + std::string(name_of(operation)));
}

Outcome check_container_id(const std::string& id) {
    if (is_cni_identifier(id)) {
        return {};
    }
    return variable_error(kContainerId, ": " + in_quotes(id) + " is not a container id",
                          "it must start with a letter or a digit, and go on with these, '_', '.' "
                          "or '-'");
}

// The specification's rule, and no control characters: no interface name has them, and they would
// get into the log.
Outcome check_ifname(const std::string& name) {
    const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte > ' ' && byte != 0x7f && c != '/' && c != ':';
    });
    if (plain && name.size() <= kMaxInterfaceName && name != "." && name != ".." &&
        !has_white_space(name)) {
        return {};
    }
    return variable_error(kIfname, ": " + in_quotes(name) + " is not an interface name",
                          "it must have at most 15 bytes, without '/', ':', white space and "
                          "control characters, and not be \".\" or \"..\"");
}

Outcome check_netns(const std::string& path) {
    if (path.front() == '/' && path.size() < PATH_MAX && path.find('\0') == std::string::npos) {
        return {};
    }
    return variable_error(
        kNetns, ": " + in_quotes(path) + " is not the path of a network namespace",
        "it must be absolute, and shorter than " + std::to_string(PATH_MAX) + " bytes");
}

// Removes the next "KEY=value" from the list; skips empty parts.
std::string_view take_pair(std::string_view& args) {
    const std::string_view pair = args.substr(0, args.find(';'));
    args.remove_prefix(std::min(args.size(), pair.size() + 1));
    return pair;
}

Outcome check_args(std::string_view args) {
    if (args.size() > kMaxArgs) {
        return variable_error(kArgs, " has " + std::to_string(args.size()) + " bytes",
                              "it can have " + std::to_string(kMaxArgs));
    }
    while (!args.empty()) {
        const std::string_view pair = take_pair(args);
        if (!pair.empty() && pair.find('=') == std::string_view::npos) {
            return variable_error(kArgs, ": " + in_quotes(pair) + " has no '='",
                                  "it must be a list of KEY=value with ';' between them");
        }
    }
    return {};
}

Outcome check_for_attaching(const Request& request) {
    const std::string& id = request.interface.container_id;
    if (id.size() > kMaxContainerId) {
        return variable_error(kContainerId, " has " + std::to_string(id.size()) + " bytes",
                              "it can have " + std::to_string(kMaxContainerId));
    }
    if (auto checked = check_netns(request.netns); !checked) {
        return checked;
    }
    return check_args(request.args);
}

Error undecodable(const std::string& why) {
    return Error(ErrorCode::undecodable, "cannot decode the request's body", why);
}

Outcome read_member(const json& document, const char* key, std::string& target) {
    const auto found = document.find(key);
    if (found == document.end() || found->is_null()) {
        return {};
    }
    if (!found->is_string()) {
        return undecodable(std::string(key) + " is not a string");
    }
    target = found->get<std::string>();
    return {};
}

Expected<Request> read_members(const json& document) {
    Request request;
    const std::pair<const char*, std::string*> members[] = {
        {"ContainerID", &request.interface.container_id},
        {"IfName", &request.interface.ifname},
        {"Netns", &request.netns},
        {"Args", &request.args},
        {"StdinData", &request.stdin_data},
    };
    for (const auto& [key, target] : members) {
        if (const auto read = read_member(document, key, *target); !read) {
            return read.error();
        }
    }
    auto decoded = decode_base64(request.stdin_data);
    if (!decoded) {
        return undecodable("StdinData: " + decoded.error().message());
    }
    request.stdin_data = std::move(*decoded);
    return request;
}

std::string string_member(const json& object, const char* key) {
    const auto member = object.find(key);
    return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

}  // namespace

Outcome check_interface(const Interface& interface) {
    if (auto checked = check_container_id(interface.container_id); !checked) {
        return checked;
    }
    if (interface.ifname.empty() || !is_utf8(interface.ifname)) {
        return variable_error(kIfname, " is empty or not valid UTF-8");
    }
    return check_ifname(interface.ifname);
}

Outcome check_request(const Request& request, Operation operation) {
    if (auto checked = check_encoding(request); !checked) {
        return checked;
    }
    if (auto checked = find_missing(request, operation); !checked) {
        return checked;
    }
    if (auto checked = check_interface(request.interface); !checked) {
        return checked;
    }
    return operation == Operation::del ? Outcome() : check_for_attaching(request);
}

PodReference pod_of(std::string_view args) {
    PodReference pod;
    const std::pair<std::string_view, std::string*> keys[] = {
        {"K8S_POD_NAMESPACE", &pod.pod_namespace},
        {"K8S_POD_NAME", &pod.name},
        {"K8S_POD_UID", &pod.uid},
    };
    while (!args.empty()) {
        const std::string_view pair = take_pair(args);
        const auto equals = pair.find('=');
        for (const auto& [key, target] : keys) {
            if (equals != std::string_view::npos && pair.substr(0, equals) == key) {
                *target = pair.substr(equals + 1);
            }
        }
    }
    return pod;
}

std::string to_body(const Request& request) {
    nlohmann::ordered_json body = nlohmann::ordered_json::object();
    const std::pair<const char*, const std::string*> members[] = {
        {"ContainerID", &request.interface.container_id},
        {"Netns", &request.netns},
        {"IfName", &request.interface.ifname},
        {"Args", &request.args},
    };
    // A request without an interface (GC) is about a network.
    if (!request.interface.container_id.empty()) {
        for (const auto& [key, value] : members) {
            body[key] = *value;
        }
    }
    body["StdinData"] = encode_base64(request.stdin_data);
    return body.dump();
}

Expected<Request> parse_body(std::string_view body) {
    try {
        const auto document = json::parse(body);
        return document.is_object() ? read_members(document)
                                    : Expected<Request>(undecodable("it is not a JSON object"));
    } catch (const json::exception& failure) {
        return undecodable(failure.what());
    }
}

std::string error_body(const Error& error) {
    const json body = {
        {"code", static_cast<int>(error.code)}, {"msg", error.message}, {"details", error.details}};
    // Text from other programs may be cut in the middle of a UTF-8 character.
    return body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::optional<Error> parse_error_body(std::string_view body) {
    const auto object = json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) {
        return std::nullopt;
    }
    const auto code = object.find("code");
    std::string message = string_member(object, "msg");
    if (code == object.end() || !code->is_number_unsigned() || message.empty()) {
        return std::nullopt;
    }
    const auto number = code->get<std::uint64_t>();
    if (number == 0 || number > std::numeric_limits<std::int32_t>::max()) {
        return std::nullopt;
    }
    return Error(static_cast<ErrorCode>(number), std::move(message),
                 string_member(object, "details"));
}

}  // namespace fsm::cni
