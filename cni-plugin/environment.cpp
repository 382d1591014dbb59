#include "cni-plugin/environment.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "common/cni/text.h"

namespace fsm::plugin {

namespace {

constexpr std::array<std::pair<std::string_view, Verb>, 6> kVerbs = {{
    {"ADD", Verb::add},
    {"DEL", Verb::del},
    {"CHECK", Verb::check},
    {"GC", Verb::gc},
    {"STATUS", Verb::status},
    {"VERSION", Verb::version},
}};

cni::Expected<Verb> find_verb(const std::string& command) {
    const auto* const verb = std::find_if(
        kVerbs.begin(), kVerbs.end(), [&](const auto& entry) { return entry.first == command; });
    if (verb != kVerbs.end()) {
        return verb->second;
    }
    return cni::Error(cni::ErrorCode::invalid_environment,
                      command.empty() ? "environment variable CNI_COMMAND is missing"
                                      : "environment variable CNI_COMMAND: unknown verb " +
                                            cni::in_quotes(command),
                      "it must be ADD, DEL, CHECK, GC, STATUS or VERSION");
}

// Runtimes pass dummy values for the other verbs.
std::optional<cni::Operation> operation_of(Verb verb) {
    switch (verb) {
        case Verb::add:
            return cni::Operation::add;
        case Verb::del:
            return cni::Operation::del;
        case Verb::check:
            return cni::Operation::check;
        case Verb::gc:
        case Verb::status:
        case Verb::version:
            break;
    }
    return std::nullopt;
}

}  // namespace

std::string_view to_string(Verb verb) {
    const auto* const entry =
        std::find_if(kVerbs.begin(), kVerbs.end(), [&](const auto& e) { return e.second == verb; });
    return entry == kVerbs.end() ? "?" : entry->first;
}

cni::Expected<Environment> read_environment(const VariableLookup& lookup) {
    const auto read = [&](const char* name) {
        const char* value = lookup(name);
        return std::string(value == nullptr ? "" : value);
    };
    const auto verb = find_verb(read("CNI_COMMAND"));
    if (!verb) {
        return verb.error();
    }
    Environment environment;
    environment.verb = *verb;
    const auto operation = operation_of(*verb);
    if (!operation) {
        return environment;
    }
    environment.request = {
        {read("CNI_CONTAINERID"), read("CNI_IFNAME")}, read("CNI_NETNS"), read("CNI_ARGS"), ""};
    if (const auto checked = cni::check_request(environment.request, *operation); !checked) {
        return checked.error();
    }
    return environment;
}

}  // namespace fsm::plugin
