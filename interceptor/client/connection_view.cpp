#include "interceptor/client/connection_view.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>
#include <tuple>
#include <utility>

#include "common/table.h"

namespace fsm {

namespace {

using nlohmann::json;

struct Target {
    IpAddress address;
    std::uint16_t port = 0;

    auto operator<=>(const Target&) const = default;
};

// "10.1.2.3:80", "[fd00::1]:80".
Target parse_target(std::string_view text) {
    Target target;
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return target;
    }
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    }
    if (const auto address = IpAddress::parse(host)) {
        target.address = *address;
    }
    const std::string_view port = text.substr(colon + 1);
    std::from_chars(port.data(), port.data() + port.size(), target.port);
    return target;
}

Target destination_of(const json& connection) {
    return parse_target(connection.at("destination").get<std::string>());
}

bool matches(const json& connection, const ConnectionQuery& query) {
    const auto has_end_in = [&](const char* end) {
        return connection.at(end).at("pod").get<std::string>() == query.pod;
    };
    if (!query.pod.empty() && !has_end_in("client") && !has_end_in("server")) {
        return false;
    }
    const Target target = destination_of(connection);
    return (!query.to || query.to->contains(target.address)) &&
           (query.port == 0 || query.port == target.port);
}

// The pod of which the connection is: the client's, if it is known.
std::string pod_of(const json& connection) {
    const auto client = connection.at("client").at("pod").get<std::string>();
    return client.empty() ? connection.at("server").at("pod").get<std::string>() : client;
}

std::uint64_t bytes_of(const json& connection) {
    std::uint64_t bytes = 0;
    for (const char* way : {"toServer", "toClient"}) {
        for (const char* by : {"redirected", "tcp"}) {
            bytes += connection.at(way).at(by).get<std::uint64_t>();
        }
    }
    return bytes;
}

std::uint64_t unread_at(const json& connection, const char* end) {
    return connection.at(end).value("unread", std::uint64_t{0});
}

// In the order in which data passes them.
std::string rank_of_kind(const json& connection) {
    constexpr std::array kKinds = {"outbound", "inbound", "self-call", "plain"};
    const auto kind = connection.at("kind").get<std::string>();
    const auto* found = std::find(kKinds.begin(), kKinds.end(), kind);
    return std::to_string(found - kKinds.begin());
}

// Less is first.
using SortKey = std::tuple<double, std::string, Target, std::string>;

SortKey sort_key(const json& connection, ConnectionOrder order) {
    const Target target = destination_of(connection);
    const std::string client =
        rank_of_kind(connection) + connection.at("client").at("address").get<std::string>();
    switch (order) {
        case ConnectionOrder::pod:
            return {0, pod_of(connection), target, client};
        case ConnectionOrder::destination:
            return {0, "", target, client};
        case ConnectionOrder::age:
            return {connection.value("ageSeconds", 0.0), pod_of(connection), target, client};
        case ConnectionOrder::bytes:
            return {-static_cast<double>(bytes_of(connection)), pod_of(connection), target, client};
        case ConnectionOrder::unread:
            break;
    }
    const auto unread = unread_at(connection, "client") + unread_at(connection, "server");
    return {-static_cast<double>(unread), pod_of(connection), target, client};
}

// "sidecar 10.1.2.3:80", with the pod's name if it is not the row's.
std::string end_text(const json& end, const std::string& pod) {
    const auto name = end.at("pod").get<std::string>();
    return (name.empty() || name == pod ? "" : name + " ") + end.at("process").get<std::string>() +
           " " + end.at("address").get<std::string>();
}

std::string both_ways(const json& connection, const char* by) {
    return short_size(connection.at("toServer").at(by).get<std::uint64_t>()) + "/" +
           short_size(connection.at("toClient").at(by).get<std::uint64_t>());
}

// "-" for an end that is not known.
std::string member_of(const json& end, const char* key) {
    return end.contains(key) ? end.at(key).dump() : "-";
}

std::string both_ends(const json& connection, const char* key) {
    return member_of(connection.at("client"), key) + "/" + member_of(connection.at("server"), key);
}

std::string unread_text(const json& connection) {
    return short_size(unread_at(connection, "client")) + "/" +
           short_size(unread_at(connection, "server"));
}

std::vector<std::string> row_of(const json& connection, OutputFormat format) {
    const std::string pod = pod_of(connection);
    std::vector<std::string> row = {
        pod.empty() ? "-" : pod,
        connection.at("kind").get<std::string>(),
        end_text(connection.at("client"), pod),
        end_text(connection.at("server"), pod),
        connection.at("destination").get<std::string>(),
        connection.at("accelerated").get<bool>() ? "yes" : "no",
        both_ways(connection, "redirected"),
        both_ways(connection, "tcp"),
        unread_text(connection),
        connection.contains("ageSeconds") ? short_age(connection.at("ageSeconds").get<double>())
                                          : "-",
        connection.at("state").get<std::string>(),
    };
    if (format == OutputFormat::wide) {
        row.push_back(both_ends(connection, "uid"));
        row.push_back(both_ends(connection, "socketCookie"));
        row.push_back(connection.at("reason").get<std::string>());
    }
    return row;
}

std::string json_lines(const std::vector<json>& connections) {
    std::string text;
    for (const json& connection : connections) {
        text += connection.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    }
    return text;
}

Error unexpected(const json::exception& failure) {
    return Error(std::string("unexpected answer of the interceptor: ") + failure.what());
}

}  // namespace

Result<std::vector<json>> choose_connections(const std::string& lines,
                                             const ConnectionQuery& query) {
    std::vector<std::pair<SortKey, json>> chosen;
    try {
        for (std::size_t begin = 0; begin < lines.size();) {
            const std::size_t end = std::min(lines.find('\n', begin), lines.size());
            json connection = json::parse(lines.begin() + static_cast<std::ptrdiff_t>(begin),
                                          lines.begin() + static_cast<std::ptrdiff_t>(end));
            if (matches(connection, query)) {
                chosen.emplace_back(sort_key(connection, query.order), std::move(connection));
            }
            begin = end + 1;
        }
    } catch (const json::exception& failure) {
        return unexpected(failure);
    }
    std::stable_sort(chosen.begin(), chosen.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<json> connections;
    connections.reserve(chosen.size());
    for (auto& [key, connection] : chosen) {
        connections.push_back(std::move(connection));
    }
    return connections;
}

Result<std::string> connections_text(const std::vector<json>& connections, OutputFormat format) {
    if (format == OutputFormat::json) {
        return json_lines(connections);
    }
    std::vector<std::vector<std::string>> rows = {{"POD", "KIND", "CLIENT", "SERVER", "DESTINATION",
                                                   "ACCELERATED", "REDIRECTED", "TCP", "UNREAD",
                                                   "AGE", "STATE"}};
    if (format == OutputFormat::wide) {
        rows.front().insert(rows.front().end(), {"UIDS", "SOCKETS", "WHY"});
    }
    try {
        for (const json& connection : connections) {
            rows.push_back(row_of(connection, format));
        }
    } catch (const json::exception& failure) {
        return unexpected(failure);
    }
    return format_table(rows);
}

std::string short_size(std::uint64_t bytes) {
    constexpr std::string_view kUnits = "KMGTPE";
    constexpr double kStep = 1024;
    constexpr double kOneDigit = 9.95;  // above, no decimals
    if (bytes < static_cast<std::uint64_t>(kStep)) {
        return std::to_string(bytes);
    }
    auto value = static_cast<double>(bytes) / kStep;
    std::size_t unit = 0;
    while (value >= kStep - 0.5 && unit + 1 < kUnits.size()) {
        value /= kStep;
        ++unit;
    }
    char text[32];
    std::snprintf(text, sizeof(text), value < kOneDigit ? "%.1f%c" : "%.0f%c", value, kUnits[unit]);
    return text;
}

std::string short_age(double seconds) {
    constexpr std::uint64_t kMinute = 60;
    constexpr std::uint64_t kHour = 60 * kMinute;
    constexpr std::uint64_t kDay = 24 * kHour;
    const auto whole = static_cast<std::uint64_t>(std::max(seconds, 0.0));
    const auto two = [&](std::uint64_t large, const char* name, std::uint64_t small,
                         const char* small_name) {
        const std::uint64_t rest = whole % large / small;
        return std::to_string(whole / large) + name +
               (rest == 0 ? "" : std::to_string(rest) + small_name);
    };
    if (whole < kMinute) {
        return std::to_string(whole) + "s";
    }
    if (whole < kHour) {
        return two(kMinute, "m", 1, "s");
    }
    return whole < kDay ? two(kHour, "h", kMinute, "m") : two(kDay, "d", kHour, "h");
}

}  // namespace fsm
