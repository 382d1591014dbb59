#include "cni-plugin/environment.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "cni-plugin/identifier.h"

namespace fsm {

namespace {

constexpr std::size_t kMaxIfnameLength = 15;  // IFNAMSIZ without the final NUL
constexpr std::array<std::pair<std::string_view, Verb>, 6> kVerbs = {{
    {"ADD", Verb::add},
    {"DEL", Verb::del},
    {"CHECK", Verb::check},
    {"GC", Verb::gc},
    {"STATUS", Verb::status},
    {"VERSION", Verb::version},
}};

CniError environment_error(const std::string& message, const std::string& details) {
    return {kCniInvalidEnvironment, message, details};
}

CniResult<Verb> find_verb(const std::string& command) {
    const auto* const verb = std::find_if(
        kVerbs.begin(), kVerbs.end(), [&](const auto& entry) { return entry.first == command; });
    if (verb != kVerbs.end()) {
        return verb->second;
    }
    constexpr char kKnown[] = "it must be ADD, DEL, CHECK, GC, STATUS or VERSION";
    if (command.empty()) {
        return environment_error("environment variable CNI_COMMAND is missing", kKnown);
    }
    return environment_error("environment variable CNI_COMMAND: unknown verb \"" + command + "\"",
                             kKnown);
}

// The JSON library is the judge, because it is what refuses to write other text.
bool is_utf8(const std::string& text) {
    try {
        return !nlohmann::json(text).dump().empty();
    } catch (const nlohmann::json::exception&) {
        return false;
    }
}

bool concerns_one_attachment(Verb verb) {
    return verb == Verb::add || verb == Verb::del || verb == Verb::check;
}

bool needs_netns(Verb verb) {
    return verb == Verb::add || verb == Verb::check;
}

std::optional<CniError> find_missing(const Environment& environment) {
    std::vector<std::string> missing;
    const auto require = [&](const std::string& value, const char* name) {
        if (value.empty()) {
            missing.emplace_back(name);
        }
    };
    if (concerns_one_attachment(environment.verb)) {
        require(environment.container_id, "CNI_CONTAINERID");
        require(environment.ifname, "CNI_IFNAME");
    }
    if (needs_netns(environment.verb)) {
        require(environment.netns, "CNI_NETNS");
    }
    if (missing.empty()) {
        return std::nullopt;
    }
    std::string names;
    for (const std::string& name : missing) {
        names += (names.empty() ? "" : ", ") + name;
    }
    return environment_error("required environment variables are missing: " + names,
                             "CNI_COMMAND is " + std::string(to_string(environment.verb)));
}

std::optional<CniError> check_container_id(const std::string& id) {
    if (id.empty() || is_cni_identifier(id)) {
        return std::nullopt;
    }
    return environment_error(
        "environment variable CNI_CONTAINERID: \"" + id + "\" is not a container id",
        "it must start with a letter or a digit, and go on with these, '_', '.' or '-'");
}

// The kernel's rule for names of network devices (dev_valid_name).
std::optional<CniError> check_ifname(const std::string& name) {
    constexpr std::string_view kForbidden("/: \t\n\v\f\r", 8);
    if (name.size() <= kMaxIfnameLength && name != "." && name != ".." &&
        name.find_first_of(kForbidden) == std::string::npos) {
        return std::nullopt;
    }
    return environment_error(
        "environment variable CNI_IFNAME: \"" + name + "\" is not an interface name",
        "it must have at most 15 characters, without '/', ':' and white space, and not be \".\" "
        "or \"..\"");
}

// DEL takes what it gets: it is also how a runtime cleans up after an ADD that failed.
std::optional<CniError> check_args(const Environment& environment) {
    if (!needs_netns(environment.verb)) {
        return std::nullopt;
    }
    std::string_view rest = environment.args;
    while (!rest.empty()) {
        const std::string_view pair = rest.substr(0, rest.find(';'));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
        if (!pair.empty() && pair.find('=') == std::string_view::npos) {
            return environment_error(
                "environment variable CNI_ARGS: \"" + std::string(pair) + "\" has no '='",
                "it must be a list of KEY=value with ';' between them");
        }
    }
    return std::nullopt;
}

// Reads variables, and keeps the first complaint about one.
class Reader {
  public:
    explicit Reader(const VariableLookup& lookup) : lookup_(lookup) {}

    std::string read(const char* name) {
        const char* value = lookup_(name);
        std::string text = value == nullptr ? "" : value;
        if (!is_utf8(text)) {
            if (!failure_) {
                failure_ = environment_error(
                    "environment variable " + std::string(name) + " is not valid UTF-8", "");
            }
            return "";
        }
        return text;
    }

    const std::optional<CniError>& failure() const { return failure_; }

  private:
    const VariableLookup& lookup_;
    std::optional<CniError> failure_;
};

}  // namespace

std::string_view to_string(Verb verb) {
    const auto* const entry =
        std::find_if(kVerbs.begin(), kVerbs.end(), [&](const auto& e) { return e.second == verb; });
    return entry == kVerbs.end() ? "?" : entry->first;
}

CniResult<Environment> read_environment(const VariableLookup& lookup) {
    Reader reader(lookup);
    const std::string command = reader.read("CNI_COMMAND");
    Environment environment;
    environment.container_id = reader.read("CNI_CONTAINERID");
    environment.netns = reader.read("CNI_NETNS");
    environment.ifname = reader.read("CNI_IFNAME");
    environment.args = reader.read("CNI_ARGS");
    environment.path = reader.read("CNI_PATH");
    environment.netns_override = reader.read("CNI_NETNS_OVERRIDE");
    if (reader.failure()) {
        return *reader.failure();
    }
    auto verb = find_verb(command);
    if (!verb) {
        return verb.error();
    }
    environment.verb = *verb;
    if (!concerns_one_attachment(*verb)) {
        return environment;  // runtimes pass dummy values for the rest
    }
    for (const auto& failure :
         {find_missing(environment), check_container_id(environment.container_id),
          check_ifname(environment.ifname), check_args(environment)}) {
        if (failure) {
            return *failure;
        }
    }
    return environment;
}

std::string_view pod_namespace(std::string_view args) {
    constexpr std::string_view kKey = "K8S_POD_NAMESPACE=";
    while (!args.empty()) {
        const std::string_view pair = args.substr(0, args.find(';'));
        if (pair.starts_with(kKey)) {
            return pair.substr(kKey.size());
        }
        args.remove_prefix(std::min(args.size(), pair.size() + 1));
    }
    return {};
}

}  // namespace fsm
