#include "net/options.h"

#include <charconv>
#include <limits>

namespace fsm::test {

Result<Options> Options::parse(const std::vector<std::string>& arguments,
                               const std::set<std::string>& with_value,
                               const std::set<std::string>& flags) {
    Options options;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (!argument.starts_with("--")) {
            return Error("\"" + argument + "\": expected an option that starts with --", EINVAL);
        }
        const std::string name = argument.substr(2);
        if (flags.contains(name)) {
            options.values_[name] = "";
        } else if (!with_value.contains(name)) {
            return Error("unknown option " + argument, EINVAL);
        } else if (i + 1 == arguments.size()) {
            return Error(argument + " needs a value", EINVAL);
        } else {
            options.values_[name] = arguments[++i];
        }
    }
    return options;
}

std::string Options::text(const std::string& name, std::string_view otherwise) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::string(otherwise) : found->second;
}

Result<std::uint64_t> Options::number(const std::string& name, std::uint64_t otherwise) const {
    const auto found = values_.find(name);
    if (found == values_.end()) {
        return otherwise;
    }
    auto value = parse_number(found->second, std::numeric_limits<std::uint64_t>::max());
    if (!value) {
        return std::move(value.error()).within("--" + name);
    }
    return value;
}

Result<std::uint16_t> Options::port(const std::string& name, std::uint16_t otherwise) const {
    FSM_ASSIGN(const std::uint64_t value, number(name, otherwise));
    if (value > std::numeric_limits<std::uint16_t>::max()) {
        return Error("--" + name + ": " + std::to_string(value) + " is not a port", EINVAL);
    }
    return static_cast<std::uint16_t>(value);
}

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t maximum) {
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size() || value > maximum) {
        return Error(
            "\"" + std::string(text) + "\" is not a number up to " + std::to_string(maximum),
            EINVAL);
    }
    return value;
}

Result<std::vector<std::uint16_t>> parse_ports(std::string_view text) {
    constexpr std::uint64_t kMaxPort = std::numeric_limits<std::uint16_t>::max();
    std::vector<std::uint16_t> ports;
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(item.size() == text.size() ? item.size() : item.size() + 1);
        const std::size_t dash = item.find('-');
        FSM_ASSIGN(const std::uint64_t first, parse_number(item.substr(0, dash), kMaxPort));
        std::uint64_t last = first;
        if (dash != std::string_view::npos) {
            FSM_ASSIGN(last, parse_number(item.substr(dash + 1), kMaxPort));
        }
        for (std::uint64_t port = first; port <= last; ++port) {
            ports.push_back(static_cast<std::uint16_t>(port));
        }
    }
    if (ports.empty()) {
        return Error("the list of ports is empty", EINVAL);
    }
    return ports;
}

}  // namespace fsm::test
