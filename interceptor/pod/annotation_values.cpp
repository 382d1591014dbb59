#include "interceptor/pod/annotation_values.h"

#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/text.h"

namespace fsm {

namespace {

constexpr std::size_t kReadableProblems = 10;
constexpr std::uint32_t kLastPort = 65535;
const PortSet kEveryPort = PortSet::of({{1, kLastPort}});

std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const char* end = text.data() + text.size();
    const auto [parsed, failure] = std::from_chars(text.data(), end, value);
    if (text.empty() || failure != std::errc() || parsed != end) {
        return std::nullopt;
    }
    return value;
}

std::optional<std::uint16_t> port(std::string_view text) {
    const auto value = number(text);
    if (!value || *value == 0 || *value > kLastPort) {
        return std::nullopt;
    }
    return static_cast<std::uint16_t>(*value);
}

std::optional<PortRange> port_range(std::string_view text) {
    const auto dash = text.find('-');
    if (dash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto first = port(trimmed(text.substr(0, dash)));
    const auto last = port(trimmed(text.substr(dash + 1)));
    if (!first || !last || *first > *last) {
        return std::nullopt;
    }
    return PortRange{*first, *last};
}

// Calls `use` with every entry except the wildcard; a reason that it returns is a problem.
template <typename List, typename Use>
void parse_list(std::string_view text, const std::optional<std::string>& wildcard,
                Problems& problems, List& list, const Use& use) {
    list.empty = true;
    for (const std::string_view entry : split_list(text)) {
        list.empty = false;
        if (wildcard && entry == *wildcard) {
            list.all = true;
        } else if (const std::string refusal = use(entry); !refusal.empty()) {
            problems.add("the entry " + in_quotes(entry) + " " + refusal + "; it is left out");
        }
    }
}

}  // namespace

void Problems::add(const std::string& what) {
    if (kept_.size() < kReadableProblems) {
        kept_.push_back(subject_ + ": " + what);
    } else {
        ++left_off_;
    }
}

std::vector<PodProblem> Problems::all() const {
    std::vector<PodProblem> result;
    for (const std::string& sentence : kept_) {
        result.push_back({kind_, sentence});
    }
    if (left_off_ > 0) {
        result.push_back(
            {kind_, subject_ + ": and " + std::to_string(left_off_) + " more of the kind"});
    }
    return result;
}

PortList parse_ports(std::string_view text, PortEntries form,
                     const std::optional<std::string>& wildcard, Problems& problems) {
    std::vector<PortRange> ranges;
    const auto use = [&](std::string_view entry) -> std::string {
        if (const auto single = port(entry)) {
            ranges.push_back({*single, *single});
            return "";
        }
        if (form == PortEntries::single) {
            return "is not a port, a number from 1 to 65535";
        }
        const auto range = port_range(entry);
        if (!range) {
            return "is neither a port, a number from 1 to 65535, nor a range of ports like "
                   "8000-8080";
        }
        ranges.push_back(*range);
        return "";
    };
    PortList list;
    parse_list(text, wildcard, problems, list, use);
    list.entries = PortSet::of(std::move(ranges));
    list.all = list.all || list.entries == kEveryPort;
    return list;
}

RangeList parse_ranges(std::string_view text, const std::optional<std::string>& wildcard,
                       Problems& problems) {
    RangeList list;
    const auto use = [&](std::string_view entry) -> std::string {
        const auto range = Cidr::parse(entry);
        if (!range) {
            return "is neither an address nor a prefix like 10.0.0.0/8 or fd00::/8 with no bits "
                   "set behind its length";
        }
        list.entries.insert(*range);
        return "";
    };
    parse_list(text, wildcard, problems, list, use);
    return list;
}

std::vector<std::string> parse_interfaces(std::string_view text, Problems& problems) {
    std::vector<std::string> interfaces;
    for (const std::string_view entry : split_list(text)) {
        if (entry.size() >= IFNAMSIZ || entry == "." || entry == ".." ||
            entry.find_first_of("/: \t\r\n\f\v") != std::string_view::npos ||
            printable(entry) != entry) {
            problems.add("the entry " + in_quotes(entry) +
                         " is not the name of an interface, up to 15 characters without "
                         "white space, slash and colon; it is left out");
        } else {
            interfaces.emplace_back(entry);
        }
    }
    return interfaces;
}

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t low,
                                          std::uint32_t high, Problems& problems) {
    const auto value = number(trimmed(text));
    if (!value || *value < low || *value > high) {
        problems.add(in_quotes(text) + " is not a number from " + std::to_string(low) + " to " +
                     std::to_string(high) + "; the annotation is ignored");
        return std::nullopt;
    }
    return value;
}

}  // namespace fsm
